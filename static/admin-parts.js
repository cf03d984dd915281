/**
 * The pieces every page of the console is made of: times, numbers, coloured words, tables, facts, lists that stay live,
 * and addresses. What somebody does something with is in `admin-controls.js`.
 */

import { PAGE_SIZE, readList } from "./admin-api.js";
import { element } from "./element.js";

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];
const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const dateOnly = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const FAR = 30 * 86_400_000;
const plain = new Intl.NumberFormat("en-GB");
const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const LONG_UNITS = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1_000]];

/** "3 min ago", "in 42 s": the distance of a time from now; the day of one that is far away. */
function distance(date) {
  if (Math.abs(date - Date.now()) > FAR) return dateOnly.format(date);
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
  if (!exact) return near;
  return Math.abs(date - Date.now()) > FAR ? absolute.format(date) : [absolute.format(date), " (", near, ")"];
}

/** Moves every shown distance on; the shell calls it once a second while somebody looks. */
export function tick() {
  for (const shown of document.querySelectorAll("time[data-near]")) {
    const text = distance(new Date(shown.dateTime));
    if (shown.textContent !== text) shown.textContent = text;
  }
}

/** 1234567 as "1,234,567". */
export function number(value) {
  return plain.format(value ?? 0);
}

/** 1234567 as "1.2M": where there is little room. */
export function compact(value) {
  return short.format(value ?? 0);
}

/** A part of a whole as "98%"; a dash where there is no whole. */
export function share(part, whole) {
  if (!whole) return "–";
  const percent = (100 * part) / whole;
  const rounded = percent > 0 && percent < 1 ? percent.toFixed(1) : part < whole ? Math.min(99, Math.round(percent)) : Math.round(percent);
  return `${rounded}%`;
}

/** A duration in milliseconds as "38 ms", "1 min 4 s", "3 h 12 min": its two greatest units. */
export function duration(ms) {
  if (ms === undefined || ms === null) return "–";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const at = LONG_UNITS.findIndex(([, length]) => ms >= length);
  const [unit, length] = LONG_UNITS[at];
  const next = LONG_UNITS[at + 1];
  const rest = next ? Math.floor((ms % length) / next[1]) : 0;
  return `${Math.floor(ms / length)} ${unit}${rest ? ` ${rest} ${next[0]}` : ""}`;
}

/** How a number differs from the one before it: "▲ 12%"; `worse` says that less is better. */
export function change(now, before, { worse = false } = {}) {
  if (before === undefined || before === null || (!now && !before)) return element("span", { class: "change" }, "–");
  if (now === before) return element("span", { class: "change" }, "the same");
  const up = now > before;
  const words = before ? `${plain.format(Math.abs(Math.round((100 * (now - before)) / before)))}%` : "new";
  const kind = up === worse ? "fell" : "rose";
  return element("span", { class: `change ${kind}`, title: `before: ${plain.format(before)}` },
    element("span", { "aria-hidden": "true" }, up ? "▲ " : "▼ "), element("span", { class: "unseen" }, up ? "up " : "down "), words);
}

/** A number that leads to what it counts; none leads nowhere. */
export function count(value, href) {
  return value && href ? element("a", { href }, plain.format(value)) : plain.format(value ?? 0);
}

/** Filters as an address has them: what is undefined or null is left out, what is empty is not. */
export function queryOf(filters) {
  return new URLSearchParams(Object.entries(filters).filter(([, value]) => value !== undefined && value !== null)).toString();
}

/** The address of a page with filters. */
export function address(page, filters = {}) {
  const query = queryOf(filters);
  return query ? `#/${page}?${query}` : `#/${page}`;
}

/** Those of the filters `names` that an address has. */
export function filtersOf(query, names) {
  return Object.fromEntries(names.filter((name) => query.has(name)).map((name) => [name, query.get(name)]));
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

/** The head of a page: its name, and at the other end what can be done with all of it. */
export function heading(title, ...actions) {
  return element("div", { class: "heading" }, element("h1", {}, title), element("div", { class: "actions" }, actions));
}

/** What stands where there is nothing yet: why that is so, and what to do. */
export function nothing(title, ...content) {
  return element("div", { class: "empty" }, element("b", {}, title), content);
}

/** An empty table: `columns` are the headings. Roles are spelled out because phones lay it out as cards. */
export function table(label, columns) {
  const rows = element("tbody", { role: "rowgroup" });
  const head = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, columns.map((column) => element("th", { role: "columnheader", scope: "col" }, column))));
  return { node: element("table", { role: "table", "aria-label": label }, head, rows), rows };
}

/** One row; a cell is its class, `{ label }` if a phone must say what it is, and its content. */
export function row(cells) {
  return element("tr", { role: "row" }, cells.map(([kind, ...content]) => {
    const label = Object.getPrototypeOf(content[0] ?? "") === Object.prototype ? content.shift().label : null;
    return element("td", { role: "cell", class: kind || null, "data-label": label }, content);
  }));
}

/** A table that is complete as it stands. */
export function fixedTable(label, columns, rows) {
  const { node, rows: body } = table(label, columns);
  body.append(...rows);
  return node;
}

/**
 * Shows what `make` makes of `value` in `place`, if that has changed since the last time. Whoever was at the third link or
 * button there still is.
 */
export function fill(place, value, make) {
  const print = JSON.stringify(value);
  if (place.print === print) return;
  place.print = print;
  const stops = () => [...place.querySelectorAll("a, button:enabled, summary, input:enabled, select, [tabindex]")];
  const held = stops().indexOf(document.activeElement);
  place.replaceChildren(...[make(value)].flat(Infinity).filter(Boolean));
  if (held >= 0) (stops()[held] ?? stops()[0])?.focus({ preventScroll: true });
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
