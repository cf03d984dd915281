/** What a list of customers or requests is narrowed to: their origins, and a period. All of it is in the address. */

import { chips } from "./admin-controls.js";
import { address } from "./admin-parts.js";
import { dayAfter, dayIn, isDay, ownZone } from "./admin-period.js";
import { element } from "./element.js";

/** What is known of an origin. */
export const DIMENSIONS = { source: "Source", medium: "Medium", campaign: "Campaign", referrer: "Referrer", channel: "Channel", country: "Country", landing_page: "Landing page" };

/** What filters are called in their chips. */
const NAMES = { ...DIMENSIONS, touch: "Credited", finished_from: "Finished from", finished_to: "Finished until" };

/** The filters that follow a customer's origin, as `/api/users`, `/api/requests` and the exports know them. */
export const ORIGIN_FILTERS = ["touch", "from", "to", "tz", ...Object.keys(DIMENSIONS)];

/** The filters that are ends of periods, and those of them that end one. */
const ENDS = ["from", "to", "finished_from", "finished_to"];
const LAST = ["to", "finished_to"];

const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const minute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** How a value is called: there is one for "was not told". */
export function valueName(value, dimension) {
  if (value === null || value === undefined) return "all others";
  if (value === "") return "not told";
  return dimension === "country" ? `${countries(value)} (${value.toUpperCase()})` : value;
}

function countries(code) {
  try {
    return new Intl.DisplayNames("en", { type: "region" }).of(code.toUpperCase());
  } catch {
    return code; // two letters that are no country
  }
}

/** The chips of those filters that are set; `to` tells the address for changes, `period` names what lies in theirs. */
export function originChips(filters, to, period) {
  const { touch, from, to: until, tz, ...rest } = filters;
  const told = Object.keys(DIMENSIONS).filter((name) => name in rest);
  const shown = told.map((name) => [DIMENSIONS[name], valueName(rest[name], name), to({ [name]: undefined })]);
  if (touch === "last" && told.length) shown.push(["Credited", "last visit", to({ touch: undefined })]);
  if (from || until) shown.push([period, [from && `from ${moment(from)}`, until && `until ${moment(until)}`].filter(Boolean).join(" "), to({ from: undefined, to: undefined, tz: undefined })]);
  return chips(shown, to(Object.fromEntries(ORIGIN_FILTERS.map((name) => [name, undefined]))));
}

/** A day as a day, a moment to the minute. */
function moment(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  return text.length === 10 ? day.format(new Date(`${text}T12:00:00`)) : minute.format(date);
}

/** Adds a filter: a dimension, and what its value is. */
export function addFilter(filters, to) {
  const free = Object.entries(DIMENSIONS).filter(([name]) => !(name in filters));
  if (!free.length) return null;
  const name = element("select", { id: "filter-name", "aria-label": "Narrow to" }, free.map(([name, label]) => element("option", { value: name }, label)));
  const value = element("input", { id: "filter-value", "aria-label": "Is", placeholder: "google, face*, …", autocomplete: "off", spellcheck: "false", "aria-describedby": "filter-hint" });
  return element("form", { class: "add-filter", submit: (event) => {
    event.preventDefault();
    location.hash = to({ [name.value]: value.value.trim() });
  } }, name, value, element("button", { class: "small" }, "Narrow"),
  element("span", { id: "filter-hint", class: "unseen" }, "A star stands for any text. Left empty it finds those of whom it was not told."));
}

/** The filters as the API takes them: days are those of the operator's own calendar, and what ends a period is the day after it. */
export function forApi({ tz = ownZone, ...filters }) {
  const told = Object.entries(filters).filter(([name, value]) => value || !ENDS.includes(name));
  const shifted = told.map(([name, value]) => [name, LAST.includes(name) && isDay(value) ? dayAfter(value) : value]);
  return { ...Object.fromEntries(shifted), ...(told.some(([name]) => ENDS.includes(name)) && { tz }) };
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
    id, type, change, value: type === "date" ? dayOf(value, name, filters.tz) : value, list: type === "text" ? `${id}-values` : null,
    autocomplete: "off", spellcheck: "false", placeholder: "any",
  });
  return element("div", { class: "choice" }, element("label", { for: id }, label), input, type === "text" && element("datalist", { id: `${id}-values` }));
}

/** The day in which a period that is told by moments begins, or its last one. */
function dayOf(text, name, zone = ownZone) {
  const moment = Date.parse(text);
  if (isDay(text) || Number.isNaN(moment)) return text;
  return dayIn(zone, new Date(name === "to" ? moment - 1 : moment));
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
    return [NAMES[name] ?? name.replaceAll("_", " "), words[name] ?? valueName(value, name), address(page, others)];
  }), address(page, kept));
}
