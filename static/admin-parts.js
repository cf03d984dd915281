/**
 * The pieces every view of the console is made of: times, coloured words, tables, facts, lists that stay live.
 */

import { PAGE_SIZE, readList } from "./admin-api.js";
import { element } from "./element.js";

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];
const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** "3 min ago", "in 42 s": the distance of a time from now. */
function distance(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  if (seconds <= 0 && seconds > -3) return "now";
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  const amount = `${Math.trunc(Math.abs(seconds) / length)} ${unit}`;
  return seconds > 0 ? `in ${amount}` : `${amount} ago`;
}

/** A time as its distance from now; the exact time on hover, or beside it when `exact` is asked for. */
export function time(text, { exact = false } = {}) {
  const date = new Date(text ?? "");
  if (!text || Number.isNaN(date.getTime())) return element("span", { class: "quiet" }, "–");
  const near = element("time", { datetime: text, title: absolute.format(date), "data-near": true }, distance(date));
  return exact ? [absolute.format(date), " (", near, ")"] : near;
}

/** Moves every shown distance on; the shell calls it once a second while somebody looks. */
export function tick() {
  for (const shown of document.querySelectorAll("time[data-near]")) {
    const text = distance(new Date(shown.dateTime));
    if (shown.textContent !== text) shown.textContent = text;
  }
}

/** A message's state or an attempt's outcome, as a word with its colour. */
export function word(state) {
  return element("span", { class: `word ${state}` }, state);
}

/** A list of names and values; what is missing is left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return element("dl", { class: "facts" }, shown.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

/** A heading with what belongs under it. */
export function section(title, ...content) {
  return element("section", {}, element("h2", {}, title), content);
}

/** An empty table: `columns` are the headings. Roles are spelled out because phones lay it out as cards. */
export function table(label, columns) {
  const rows = element("tbody", { role: "rowgroup" });
  const head = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, columns.map((column) => element("th", { role: "columnheader", scope: "col" }, column))));
  return { node: element("table", { role: "table", "aria-label": label }, head, rows), rows };
}

/** One row; a cell is a pair of its class and its content. */
export function row(cells) {
  return element("tr", { role: "row" }, cells.map(([kind, ...content]) => element("td", { role: "cell", class: kind }, content)));
}

/** A table that is complete as it stands. */
export function fixedTable(label, columns, rows) {
  const { node, rows: body } = table(label, columns);
  body.append(...rows);
  return node;
}

/** Makes `parent`'s children show `items`, touching only what changed, so that focus and selection stay. */
export function reconcile(parent, items, make) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const after = items.map((item) => {
    const print = JSON.stringify(item);
    const old = before.get(item.id);
    if (old?.print === print) return old;
    const node = make(item);
    node.dataset.key = item.id;
    node.print = print;
    if (old?.contains(document.activeElement)) queueMicrotask(() => node.querySelector("a, button, summary")?.focus());
    return node;
  });
  after.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
  while (parent.children.length > after.length) parent.lastChild.remove();
}

/**
 * A live list: `place` holds the rows, `make` turns an item into one, `empty` stands there while there are none.
 * Its `refresh` reads again as many items as are shown.
 */
export function liveList({ path, filters, frame, place, make, empty }) {
  let wanted = PAGE_SIZE;
  const more = element("button", { type: "button", class: "more", hidden: true, click: async () => {
    more.disabled = true;
    wanted += PAGE_SIZE;
    await refresh().finally(() => { more.disabled = false; });
  } }, "Load more");
  const nothing = element("div", { class: "empty", hidden: true }, empty);
  frame.hidden = true;

  async function refresh(signal) {
    const { items, next } = await readList(path, filters, wanted, signal);
    reconcile(place, items, make);
    frame.hidden = items.length === 0;
    nothing.hidden = items.length > 0;
    more.hidden = next === null;
  }
  return { nodes: [frame, nothing, more], refresh };
}
