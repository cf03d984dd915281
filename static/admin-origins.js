/**
 * Origins: where customers came from and what became of them. Everything that is asked is in the address: what a row
 * stands for, whose visit is credited, the period, what it is compared with, and what it is narrowed to.
 */

import { call } from "./admin-api.js";
import { COLOURS, meter, trendChart } from "./admin-charts.js";
import { choice, csvLink, segments } from "./admin-controls.js";
import { DIMENSIONS, originChips, valueName } from "./admin-filters.js";
import { address, change, count, duration, fill, filtersOf, heading, nothing, number, queryOf, row, section, share, table } from "./admin-parts.js";
import { ownZone, partMark, partName, periodBefore, periodControls, readPeriod, usualBucket, zoneControl } from "./admin-period.js";
import { element } from "./element.js";

const MEASURES = { registrations: "Registrations", welcomed: "Welcomed", opened: "Opened the chat", requests: "Requests", delivered: "Delivered requests", answered: "Answered requests" };
const FINER = ["source", "medium", "campaign", "landing_page", "referrer", "country", "channel"];
const BUCKETS = { hour: "Hours", day: "Days", week: "Weeks", month: "Months" };
const TOO_MANY_PARTS = 1_000;
const HOURS = { hour: 1, day: 24, week: 168, month: 720 };
const ROWS = 50;
const MOST_ROWS = 500;
const PACE = 10_000;

let choicesOpen = false; // stays as it was left while filters change

/** Counts by where customers came from: the API's answer. */
export function readLedger(parameters, signal) {
  return call(`origins?${queryOf(parameters)}`, { signal });
}

/** What the address asks for; what it does not say is as usual. */
function settingsOf(query) {
  const zone = query.get("tz") || ownZone;
  const known = (name, among, usual) => (query.get(name) in among ? query.get(name) : usual);
  const period = readPeriod(query, zone);
  const bucket = known("bucket", BUCKETS, usualBucket(period.days));
  return {
    zone, period,
    by: known("by", DIMENSIONS, "source"),
    touch: query.get("touch") === "last" ? "last" : "first",
    bucket: (period.days * 24) / HOURS[bucket] > TOO_MANY_PARTS ? usualBucket(period.days) : bucket,
    compare: known("compare", { none: 1, year: 1 }, "before"),
    measure: known("measure", MEASURES, "registrations"),
    lines: query.get("chart") === "lines",
    only: filtersOf(query, Object.keys(DIMENSIONS)),
    limit: Math.min(Number(query.get("limit")) || ROWS, MOST_ROWS),
  };
}

/** `#/origins`. */
export function origins(query) {
  const settings = settingsOf(query);
  const to = (changes) => address("origins", { ...Object.fromEntries(query), ...changes });
  const chart = trendChart();
  const state = element("div");
  const body = element("div");
  let print = "";

  async function refresh(signal) {
    const answers = await readAll(settings, signal);
    const text = JSON.stringify(answers, (name, value) => (name === "to" ? undefined : value)); // now is another moment each time
    if (text === print) return;
    print = text;
    const { whole, parts, before, partsBefore } = answers;
    fill(state, whole.complete, () => !whole.complete && notComplete());
    if (!whole.total.registrations && !whole.total.requests && !before?.total.registrations) {
      chart.node.hidden = true;
      fill(body, "nobody", () => emptyLedger(settings));
      return;
    }
    chart.node.hidden = false;
    chart.show(chartData(settings, parts, partsBefore));
    fill(body, text, () => [ledgerTable(settings, whole, before, to), topics(settings, whole)]);
  }

  return {
    title: "Origins",
    about: ["users", "requests", "messages"],
    pace: PACE,
    nodes: [
      heading("Origins", element("a", { class: "button", href: "#/origins/reports" }, "Reports"), csvLink("origins", { ...periodParameters(settings), by: settings.by, touch: settings.touch, bucket: query.get("bucket") })),
      controls(settings, to), originChips(settings.only, to), why(settings), state, chart.node, body,
    ],
    refresh,
  };
}

function notComplete() {
  return element("p", { class: "note-line", role: "status" }, element("b", {}, "Still counting. "),
    "Customers from before the last upgrade are counted in the background; until that is done these numbers grow.");
}

function periodParameters({ period, zone, only, touch }) {
  return { from: period.from, to: period.to, tz: zone, touch, ...only };
}

/** The rows, the chart's parts of the greatest of them, and the same of the period to compare with. */
async function readAll(settings, signal) {
  const { by, bucket, compare, period, limit } = settings;
  const asked = { ...periodParameters(settings), by };
  const earlier = compare === "none" ? null : { ...asked, ...periodBefore(period, compare) };
  const [whole, parts, before, partsBefore] = await Promise.all([
    readLedger({ ...asked, limit }, signal),
    readLedger({ ...asked, bucket, limit: COLOURS }, signal),
    earlier && readLedger({ ...earlier, limit: MOST_ROWS }, signal),
    earlier && readLedger({ ...earlier, bucket, limit: 1 }, signal),
  ]);
  return { whole, parts, before, partsBefore };
}

function controls(settings, to) {
  const { by, touch, period, bucket, zone, compare, measure, lines } = settings;
  const usual = (value, of) => (value === of ? undefined : value);
  const buckets = Object.entries(BUCKETS).filter(([name]) => (period.days * 24) / HOURS[name] <= TOO_MANY_PARTS);
  return [
    segments("What a row stands for", Object.entries(DIMENSIONS), by, (value) => to({ by: usual(value, "source"), limit: undefined })),
    element("div", { class: "controls" },
      periodControls(period, to),
      choice("Compared with", [["before", "the time before"], ["year", "a year before"], ["none", "nothing"]], compare, (value) => to({ compare: usual(value, "before") })),
      choice("Credited", [["first", "first visit"], ["last", "last visit"]], touch, (value) => to({ touch: usual(value, "first") }))),
    element("details", { class: "choices", open: choicesOpen, toggle: (event) => { choicesOpen = event.currentTarget.open; } },
      element("summary", {}, "Chart and time zone"),
      element("div", { class: "controls" },
        choice("Chart of", Object.entries(MEASURES), measure, (value) => to({ measure: usual(value, "registrations") })),
        choice("Parts", buckets, bucket, (value) => to({ bucket: usual(value, usualBucket(period.days)) })),
        choice("Drawn as", [["bars", "bars"], ["lines", "lines"]], lines ? "lines" : "bars", (value) => to({ chart: usual(value, "bars") })),
        zoneControl(zone, (tz) => to({ tz })))),
  ];
}

/** Why the values that the page is narrowed to have their names, read when somebody asks. */
function why({ only }) {
  const [name, value] = Object.entries(only).at(-1) ?? [];
  if (!name) return null;
  const place = element("div");
  const tell = async (event) => {
    if (!event.currentTarget.open || place.children.length) return;
    const { items } = await call(`origins/why?${new URLSearchParams({ by: name, value })}`);
    place.replaceChildren(items.length
      ? element("ul", { class: "reasons" }, items.map(reason))
      : element("p", { class: "quiet" }, "Nobody came from there so far."));
  };
  return element("details", { class: "explain", toggle: tell }, element("summary", {}, `Why is it called “${valueName(value, name)}”?`), place);
}

function reason({ value, from, why, visits }) {
  return element("li", {}, element("code", {}, from || "nothing told"), " → ", element("b", {}, value || "not told"), `: ${why}`,
    visits > 1 && element("span", { class: "quiet" }, ` (${number(visits)} different visits)`));
}

function chartData({ by, bucket, zone, measure, lines, compare }, ledger, before) {
  const pick = (parts) => parts.map((part) => part[measure] ?? 0);
  const partsOf = (item, starts) => (item.parts.length ? item.parts : starts.length === 1 ? [item] : []);
  const series = ledger.items.map((item) => ({ name: valueName(item.value, by), values: pick(partsOf(item, ledger.starts)) }));
  if (ledger.others) series.push({ name: "all others", values: pick(partsOf(ledger.others, ledger.starts)), rest: true });
  const earlier = before && { name: compare === "year" ? "a year before" : "the time before", values: pick(partsOf(before.total, before.starts)).slice(0, ledger.starts.length) };
  return {
    title: `${MEASURES[measure]} by ${DIMENSIONS[by].toLowerCase()}`, series, lines,
    before: lines ? null : earlier,
    names: ledger.starts.map((start) => partName(start, bucket, zone)),
    marks: ledger.starts.map((start) => partMark(start, bucket, zone)),
  };
}

/** The columns after the name and the counts. */
function columnsOf() {
  const part = (name, of) => (item) => share(item[name], item[of]);
  const time = (name) => (item) => duration(item[name]);
  return [
    ["Welcomed", part("welcomed", "registrations")],
    ["After", time("median_to_welcome_ms")],
    ["Bounced", (item) => (item.bounced ? number(item.bounced) : "–")],
    ["Opened", part("opened", "registrations")],
    null, // requests
    ["Delivered", part("delivered", "requests")],
    ["After", time("median_to_delivery_ms")],
    ["Answered", part("answered", "requests")],
    ["After", time("median_to_answer_ms")],
  ];
}

function ledgerTable(settings, ledger, before, to) {
  const { by, only } = settings;
  const columns = columnsOf();
  const at = columns.indexOf(null);
  const names = [DIMENSIONS[by], "Registered", ...columns.slice(0, at).map(([name]) => name), "Asked", ...columns.slice(at + 1).map(([name]) => name)];
  const { node, rows } = table(`Customers by ${DIMENSIONS[by].toLowerCase()}`, names);
  node.classList.add("numbers");
  const earlier = new Map((before?.items ?? []).map((item) => [item.value, item]));
  const largest = Math.max(1, ...ledger.items.map((item) => item.registrations));
  const make = (item, { name, was, kind }) => {
    const rowsOf = kind === "others" ? null : { touch: settings.touch === "last" ? "last" : undefined, from: ledger.from, to: ledger.to, ...only, ...(kind === "total" ? {} : { [by]: item.value }) };
    const compared = (measure) => before && was !== undefined && change(item[measure], was?.[measure] ?? 0);
    return row([
      ["value", name, kind === "value" && meter(item.registrations, largest)],
      ["count", { label: "registered" }, count(item.registrations, rowsOf && address("users", rowsOf)), compared("registrations")],
      ...columns.slice(0, at).map(([label, show]) => ["", { label: label.toLowerCase() }, show(item)]),
      ["count", { label: "asked" }, count(item.requests, rowsOf && address("requests", rowsOf)), compared("requests")],
      ...columns.slice(at + 1).map(([label, show]) => ["", { label: label.toLowerCase() }, show(item)]),
    ]);
  };
  rows.append(...ledger.items.map((item) => make(item, { name: deeper(item, settings, to), was: before ? earlier.get(item.value) ?? (before.others ? undefined : null) : undefined, kind: "value" })));
  if (ledger.others) rows.append(make(ledger.others, { name: element("span", { class: "quiet" }, "all others"), kind: "others" }));
  node.append(element("tfoot", { role: "rowgroup" }, make(ledger.total, { name: "together", was: before?.total, kind: "total" })));
  const more = ledger.others && settings.limit < MOST_ROWS && element("p", {}, element("a", { class: "button more", href: to({ limit: Math.min(settings.limit * 4, MOST_ROWS) }) }, "Show more rows"));
  return element("div", {}, node, element("p", { class: "quiet hint" }, "A name leads into its details, a number to its customers or requests. “Opened” are those who came to the chat by the link in their welcome. “After” is the median time until then."), more);
}

/** A value's name leads to the next finer dimension, narrowed to it. */
function deeper(item, { by, only }, to) {
  const next = FINER.slice(FINER.indexOf(by) + 1).concat(FINER).find((dimension) => dimension !== by && !(dimension in only));
  const name = valueName(item.value, by);
  if (!next) return name;
  return element("a", { href: to({ [by]: item.value, by: next === "source" ? undefined : next, limit: undefined }), title: `${name} by ${DIMENSIONS[next].toLowerCase()}` }, name);
}

function topics({ touch, only }, ledger) {
  const found = Object.entries(ledger.total.topics).sort(([, a], [, b]) => b - a);
  if (!found.length) return null;
  const filters = (topic) => ({ topic, touch: touch === "last" ? "last" : undefined, from: ledger.from, to: ledger.to, ...only });
  return section("What they asked about", topicBars(found, ledger.total.requests, filters));
}

/** Topics with their counts, each leading to its requests. */
export function topicBars(found, whole, filters) {
  return element("ul", { class: "bars" }, found.map(([topic, value]) => element("li", {},
    element("span", {}, topic || element("i", {}, "in no route")),
    element("span", { class: "count" }, count(value, topic && address("requests", filters(topic))), " ", element("span", { class: "quiet" }, share(value, whole))),
    meter(value, whole))));
}

function emptyLedger({ only, period }) {
  if (Object.keys(only).length) return nothing("Nobody, in this period.", element("p", {}, "Take a filter away, or choose a longer period."));
  if (period.name !== "12m") return nothing("Nobody came in this period.", element("p", {}, element("a", { href: "#/origins?period=12m" }, "Look at the last 12 months")));
  return nothing("No customers yet.", element("p", {}, "As soon as somebody registers, their campaign, referrer and country are counted here. Open the ",
    element("a", { href: "/?utm_source=newsletter&utm_medium=email&utm_campaign=first" }, "shop’s page as a newsletter reader"), " and register to see it."));
}
