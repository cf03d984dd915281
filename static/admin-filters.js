/** What a list of customers or requests is narrowed to: their origins, and a period. All of it is in the address. */

import { chips } from "./admin-controls.js";
import { element } from "./element.js";

/** What is known of an origin. */
export const DIMENSIONS = { source: "Source", medium: "Medium", campaign: "Campaign", referrer: "Referrer", channel: "Channel", country: "Country", landing_page: "Landing page" };

/** The filters that follow a customer's origin, as `/api/users`, `/api/requests` and the exports know them. */
export const ORIGIN_FILTERS = ["touch", "from", "to", "tz", ...Object.keys(DIMENSIONS)];

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
