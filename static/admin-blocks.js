/**
 * What several pages are built from: calls whose failures are told, texts to paste elsewhere, tabs.
 */

import { ApiError } from "./admin-api.js";
import { copyButton, toast } from "./admin-controls.js";
import { element } from "./element.js";

/** Does `work` while `button`, if there is one, cannot be pressed again. What the server refuses is told, and resolves with undefined. */
export async function attempt(button, work) {
  const held = button !== null && document.activeElement === button;
  if (button) button.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    toast(error.message, { bad: true });
    return undefined;
  } finally {
    if (button) button.disabled = false;
    if (held) button.focus(); // what is disabled loses it
  }
}

/** Has the page read again what it shows. */
export function readAgain(node) {
  node.dispatchEvent(new CustomEvent("refresh", { bubbles: true }));
}

/** A text to paste elsewhere, under its name, with a button that copies it; `of` tells texts of the same name apart. */
export function pasteBlock(name, text, of = "") {
  return element("div", { class: "paste" },
    element("div", { class: "paste-head" }, element("b", {}, name), copyButton(text, `Copy the ${name.toLowerCase()}`)),
    element("pre", { tabindex: "0", role: "region", "aria-label": of ? `${name}: ${of}` : name }, text));
}

let tabLists = 0;

/** Tabs over panels, `{ name, node }` each. The first is open; the arrow keys lead to the others. */
export function tabs(label, panels) {
  const id = `tabs-${tabLists += 1}`;
  const buttons = panels.map(({ name }, at) => element("button", {
    type: "button", role: "tab", id: `${id}-${at}`, "aria-controls": `${id}-${at}-panel`, click: () => choose(at),
  }, name));
  const bodies = panels.map(({ node }, at) => element("div", { role: "tabpanel", id: `${id}-${at}-panel`, "aria-labelledby": `${id}-${at}` }, node));
  function choose(at) {
    buttons.forEach((button, each) => {
      button.setAttribute("aria-selected", String(each === at));
      button.tabIndex = each === at ? 0 : -1;
      bodies[each].hidden = each !== at;
    });
  }
  const keydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (buttons.indexOf(event.target) + step + buttons.length) % buttons.length;
    choose(next);
    buttons[next].focus();
  };
  choose(0);
  return element("div", { class: "tabs" }, element("div", { role: "tablist", "aria-label": label, keydown }, buttons), bodies);
}

/** A mail's HTML in a frame that may run nothing, send nothing and open nothing; the page's policy keeps images from afar out. */
export function mailFrame(html) {
  return element("iframe", { sandbox: "", title: "The mail as its reader sees it", referrerpolicy: "no-referrer", srcdoc: `<!doctype html><base target="_blank">${html}` });
}
