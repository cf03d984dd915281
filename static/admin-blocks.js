/**
 * What several pages are built from: calls whose failures are told, filters of lists, texts to paste elsewhere, tabs.
 */

import { ApiError, call } from "./admin-api.js";
import { chips, copyButton, toast } from "./admin-controls.js";
import { address } from "./admin-parts.js";
import { element } from "./element.js";

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** A call to a part of the server that an older one does not have: null then. */
export async function callIfThere(path, options) {
  try {
    return await call(path, options);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

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

/** Fills `place` with what `make` makes of `value`, if that has changed since the last time. */
export function fill(place, value, make) {
  const print = JSON.stringify(value);
  if (place.print === print) return;
  place.print = print;
  const held = place.contains(document.activeElement);
  place.replaceChildren(...[make(value)].flat(Infinity).filter(Boolean));
  if (held) place.querySelector("button:not(:disabled), a, input")?.focus();
}

/** The filters as the API takes them: days of the operator's own calendar become moments, `to` the one after its day. */
export function forApi({ from, to, ...others }) {
  const moment = (text, later) => {
    if (!DAY.test(text)) return text;
    const [year, month, day] = text.split("-").map(Number);
    return new Date(year, month - 1, day + later).toISOString();
  };
  return { ...others, ...(from && { from: moment(from, 0) }), ...(to && { to: moment(to, 1) }) };
}

/** A field among a list's filters: `type` is `date` or `text`, for which `values` are proposed. Empty takes the filter away. */
export function field(page, filters, name, label, type = "text") {
  const { [name]: value = "", ...others } = filters;
  const id = `filter-${name}`;
  const change = (event) => {
    const text = event.currentTarget.value.trim();
    location.hash = address(page, text ? { ...others, [name]: text } : others);
  };
  const input = element("input", {
    id, type, change, value: type === "date" ? value.slice(0, 10) : value, list: type === "text" ? `${id}-values` : null,
    autocomplete: "off", spellcheck: "false", placeholder: "any",
  });
  return element("div", { class: "choice" }, element("label", { for: id }, label), input, type === "text" && element("datalist", { id: `${id}-values` }));
}

/** Proposes values in the text field that `field` made. */
export function propose(bar, name, values) {
  const list = bar.querySelector(`#filter-${name}-values`);
  const there = new Set([...list.children].map((option) => option.value));
  const news = new Set(values.filter((value) => value && !there.has(value)));
  list.append(...[...news].map((value) => element("option", { value })));
}

/** Chips for the filters that no control shows; `words` name those whose value says nothing to a reader, as an id does. */
export function otherFilters(page, filters, shown, words = {}) {
  const rest = Object.entries(filters).filter(([name]) => !shown.includes(name));
  const kept = Object.fromEntries(Object.entries(filters).filter(([name]) => shown.includes(name)));
  return chips(rest.map(([name, value]) => {
    const { [name]: _, ...others } = filters;
    return [name.replaceAll("_", " "), words[name] ?? (value || "not told"), address(page, others)];
  }), address(page, kept));
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
