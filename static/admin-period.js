/**
 * Periods: which days a name like "the last 30 days" means in a time zone, and which period lies before it.
 *
 * Days are written as 2026-11-24. A period goes from its first day up to, and without, `to`; one that is still running
 * has no `to` and ends now.
 */

import { choice } from "./admin-controls.js";
import { element } from "./element.js";

const DAY = 86_400_000;

/** The names, each with its label, its first day as of today, its end if it is over, and how far the one before lies back. */
const PERIODS = {
  today: { label: "Today", from: (today) => today, back: { days: 1 } },
  "7d": { label: "7 days", from: (today) => shifted(today, { days: -6 }), back: { days: 7 } },
  "30d": { label: "30 days", from: (today) => shifted(today, { days: -29 }), back: { days: 30 } },
  "90d": { label: "90 days", from: (today) => shifted(today, { days: -89 }), back: { days: 90 } },
  "12m": { label: "12 months", from: (today) => shifted(today, { months: -12, days: 1 }), back: { months: 12 } },
  month: { label: "This month", from: firstOfMonth, back: { months: 1 } },
  "last-month": { label: "Last month", from: (today) => shifted(firstOfMonth(today), { months: -1 }), to: firstOfMonth, back: { months: 1 } },
  year: { label: "This year", from: (today) => `${today.slice(0, 4)}-01-01`, back: { months: 12 } },
};
const USUAL = "30d";

/** The zone of whoever looks. */
export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The day that a moment lies in. */
export function dayIn(zone, moment) {
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(moment);
}

/** The day after a day. */
export function dayAfter(day) {
  return shifted(day, { days: 1 });
}

/** Whether a text is a day. */
export function isDay(text) {
  return /^\d{4}-\d{2}-\d{2}$/.test(text ?? "") && !Number.isNaN(Date.parse(text));
}

/** The period that an address names: `period=7d`, or `from=` and `to=`. */
export function readPeriod(query, zone) {
  const today = dayIn(zone, new Date());
  const [from, to] = [query.get("from"), query.get("to")];
  if (isDay(from)) {
    const end = isDay(to) && to > from && to <= today ? to : undefined;
    const days = daysBetween(from, end ?? dayAfter(today));
    return { name: "custom", from, to: end, today, days, back: { days: Math.max(days, 1) } };
  }
  const name = query.get("period") in PERIODS ? query.get("period") : USUAL;
  const { from: first, to: last, back } = PERIODS[name];
  const period = { name, from: first(today), to: last?.(today), today, back };
  return { ...period, days: daysBetween(period.from, period.to ?? dayAfter(today)) };
}

/** The period as long before this one, or the same days a year earlier; one that is running is met at the same time of day. */
export function periodBefore({ from, to, today, back }, compare) {
  const by = compare === "year" ? { months: 12 } : back;
  const earlier = { days: -(by.days ?? 0), months: -(by.months ?? 0) };
  const end = to ? shifted(to, earlier) : new Date(Date.now() - daysBetween(shifted(today, earlier), today) * DAY).toISOString();
  return { from: shifted(from, earlier), to: end };
}

/** Parts that a period can be seen in, the usual one first. */
export function usualBucket(days) {
  if (days <= 2) return "hour";
  if (days <= 92) return "day";
  return days <= 800 ? "week" : "month";
}

/** The controls of a period; `to` tells the address for changes of `period`, `from` and `to`. */
export function periodControls(period, to) {
  const options = [...Object.entries(PERIODS).map(([name, { label }]) => [name, label]), ["custom", "From … to …"]];
  const open = { period: undefined, from: period.from, to: period.to };
  const pick = (name) => to(name === "custom" ? open : { period: name === USUAL ? undefined : name, from: undefined, to: undefined });
  const day = (label, value, change) => {
    const id = `choose-${label.toLowerCase()}`;
    return element("div", { class: "choice" }, element("label", { for: id }, label),
      element("input", { id, type: "date", value, max: period.today, change: (event) => { if (isDay(event.currentTarget.value)) location.hash = to(change(event.currentTarget.value)); } }));
  };
  const last = shifted(period.to ?? dayAfter(period.today), { days: -1 });
  return [
    choice("Period", options, period.name, pick),
    period.name === "custom" && day("From", period.from, (value) => ({ ...open, from: value })),
    period.name === "custom" && day("Until", last, (value) => ({ ...open, to: dayAfter(value) })),
  ];
}

/** The control of the time zone. */
export function zoneControl(zone, to) {
  const others = (Intl.supportedValuesOf?.("timeZone") ?? []).filter((name) => name !== ownZone && name !== "UTC");
  const known = [ownZone, "UTC", ...others].includes(zone) ? [] : [[zone, zone]];
  const options = [[ownZone, `${words(ownZone)} (yours)`], ...(ownZone === "UTC" ? [] : [["UTC", "UTC"]]), ...known, ["All zones", others.map((name) => [name, words(name)])]];
  return choice("Time zone", options, zone, (name) => to(name === ownZone ? undefined : name));
}

/** How a part of a period is called, from the moment at which it begins. */
export function partName(start, bucket, zone) {
  const shapes = {
    hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
    day: { weekday: "short", day: "numeric", month: "short" },
    week: { day: "numeric", month: "short", year: "numeric" },
    month: { month: "long", year: "numeric" },
  };
  const text = new Intl.DateTimeFormat("en-GB", { ...shapes[bucket], timeZone: zone }).format(new Date(start));
  return bucket === "week" ? `week from ${text}` : text;
}

/** The same where there is little room. */
export function partMark(start, bucket, zone) {
  const shapes = { hour: { hour: "2-digit", minute: "2-digit" }, day: { day: "numeric", month: "short" }, week: { day: "numeric", month: "short" }, month: { month: "short", year: "2-digit" } };
  return new Intl.DateTimeFormat("en-GB", { ...shapes[bucket], timeZone: zone }).format(new Date(start));
}

function words(zone) {
  return zone.replaceAll("_", " ");
}

function firstOfMonth(day) {
  return `${day.slice(0, 7)}-01`;
}

function daysBetween(from, to) {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY);
}

/** A day moved by months, to the last of the month if there is no such day, then by days. */
function shifted(day, { months = 0, days = 0 }) {
  const [year, month, date] = day.split("-").map(Number);
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(date, last) + days)).toISOString().slice(0, 10);
}
