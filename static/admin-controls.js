/**
 * What the operator acts with: choices that live in the address, dialogs, short notes, copying, downloads.
 */

import { queryOf } from "./admin-parts.js";
import { element } from "./element.js";

const NOTE_LASTS = 6_000;

/** Goes to another address as a click on it would. */
function go(href) {
  location.hash = href;
}

/** A choice among a few: links side by side, the chosen one marked. `options` are pairs of value and label, `to` tells the address of a value. */
export function segments(label, options, chosen, to) {
  return element("nav", { class: "filter", "aria-label": label }, options.map(([value, text]) =>
    element("a", { href: to(value), "aria-current": value === chosen ? "true" : null, id: `${slug(label)}-${value || "all"}` }, text)));
}

/** A choice among many: a labelled list that goes to the address of what is chosen. An option with options is a group. */
export function choice(label, options, chosen, to) {
  const make = ([value, text]) => (Array.isArray(text) ? element("optgroup", { label: value }, text.map(make)) : element("option", { value, selected: value === chosen }, text));
  const id = `choose-${slug(label)}`;
  return element("div", { class: "choice" }, element("label", { for: id }, label),
    element("select", { id, change: (event) => go(to(event.currentTarget.value)) }, options.map(make)));
}

/** What the list is narrowed to: a chip for each filter, with the way to take it out. `filters` are triples of name, shown value and address without it. */
export function chips(filters, everything) {
  if (!filters.length) return null;
  return element("ul", { class: "chips", "aria-label": "Filters" },
    filters.map(([name, value, without]) => element("li", {}, element("span", {}, `${name}: `, element("b", {}, value)),
      element("a", { href: without, "aria-label": `Leave out the filter ${name}` }, "✕"))),
    filters.length > 1 && element("li", { class: "all" }, element("a", { href: everything }, "Clear all")));
}

/** A link to a list as CSV, with the filters that it shows. */
export function csvLink(list, filters = {}) {
  const query = queryOf(filters);
  return element("a", { class: "button", href: `/api/export/${list}.csv${query ? `?${query}` : ""}`, download: `${list}.csv` }, "CSV");
}

/** A button that copies a text, which may be a function that tells it. */
export function copyButton(text, label = "Copy") {
  return element("button", { type: "button", class: "small", click: async () => {
    const done = await copy(typeof text === "function" ? text() : text);
    toast(done ? "Copied." : "This browser does not let the page copy. Select the text and copy it by hand.", { bad: !done });
  } }, label);
}

/** Browsers keep the clipboard from pages without TLS; the older way still works there. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = element("textarea", { class: "unseen", "aria-hidden": "true", readonly: true });
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    return done;
  }
}

/** A short note at the edge, read aloud. Bad news stays until it is put away. */
export function toast(text, { bad = false } = {}) {
  const note = element("p", { class: bad ? "toast bad" : "toast" }, element("span", {}, text),
    element("button", { type: "button", class: "small", "aria-label": "Put away", click: () => note.remove() }, "✕"));
  document.getElementById("toasts").append(note);
  if (!bad) setTimeout(() => note.remove(), NOTE_LASTS);
}

/**
 * Asks before something is done: `content` explains it and may hold fields, `confirm` is the word on the button that does
 * it. Resolves with the fields' values, or with null when the operator thinks better of it.
 */
export function ask({ title, content = [], confirm, danger = false }) {
  return new Promise((resolve) => {
    const form = element("form", { submit: (event) => { event.preventDefault(); dialog.close("yes"); } },
      element("h2", { id: "dialog-title" }, title), content,
      element("p", { class: "actions" },
        element("button", { class: danger ? "main danger" : "main" }, confirm),
        element("button", { type: "button", click: () => dialog.close() }, "Cancel")));
    const dialog = element("dialog", { "aria-labelledby": "dialog-title", close: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null);
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
    addEventListener("hashchange", () => dialog.close(), { once: true }); // what it asks about is gone
  });
}

/** A text as part of an id. */
function slug(text) {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}
