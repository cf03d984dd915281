/** Overview: today beside yesterday, what waits for somebody, the last 30 days, and where customers come from. */

import { call } from "./admin-api.js";
import { meter, trendChart } from "./admin-charts.js";
import { valueName } from "./admin-filters.js";
import { readLedger, topicBars } from "./admin-origins.js";
import { address, change, count, fill, number, section, share, time, word } from "./admin-parts.js";
import { dayIn, ownZone, partMark, partName, periodBefore, readPeriod } from "./admin-period.js";
import { element } from "./element.js";

const PACE = 3_000;
const LEDGER_PACE = 20_000;
const SOURCES = 8;

/** `#/`. */
export function overview() {
  const numbers = element("div");
  const chart = trendChart();
  const origins = element("div", { class: "beside" });
  let ledger = null;
  let readAt = -Infinity;

  /** The ledger is read less often than the rest: it changes slowly as seen from here, and costs more. */
  async function readOrigins(signal) {
    if (performance.now() - readAt < LEDGER_PACE) return;
    const period = readPeriod(new URLSearchParams(), ownZone);
    const asked = { from: period.from, to: period.to, tz: ownZone, bucket: "day" };
    const [now, before] = await Promise.all([
      readLedger({ ...asked, limit: SOURCES }, signal),
      readLedger({ ...asked, ...periodBefore(period, "before"), limit: 1 }, signal),
    ]);
    readAt = performance.now();
    ledger = now;
    chart.show(chartData(now, before));
    fill(origins, now, originParts);
  }

  async function refresh(signal) {
    const [known] = await Promise.all([call(`overview?${new URLSearchParams({ tz: ownZone })}`, { signal }), readOrigins(signal)]);
    const empty = !ledger.total.registrations && !ledger.total.requests && !known.last_webhook_at;
    chart.node.hidden = origins.hidden = empty;
    fill(numbers, [empty, known], () => [empty && firstSteps(), health(known), !empty && [today(known), waiting(known)]]);
  }
  return { title: "Overview", pace: PACE, nodes: [element("h1", {}, "Overview"), numbers, chart.node, origins], refresh };
}

function chartData(now, before) {
  const pick = (item, measure) => item.parts.map((part) => part[measure]);
  return {
    title: "The last 30 days",
    series: [{ name: "registrations", values: pick(now.total, "registrations") }, { name: "requests", values: pick(now.total, "requests") }],
    before: { name: "registrations 30 days earlier", values: pick(before.total, "registrations").slice(0, now.starts.length) },
    names: now.starts.map((start) => partName(start, "day", ownZone)),
    marks: now.starts.map((start) => partMark(start, "day", ownZone)),
    lines: true,
  };
}

function originParts(ledger) {
  const whole = ledger.total.registrations;
  const rows = ledger.items.filter((item) => item.registrations);
  const period = { from: ledger.from, to: ledger.to };
  const sources = element("ul", { class: "bars one" }, rows.map((item) => element("li", {},
    element("a", { href: address("origins", { source: item.value, by: "medium" }) }, valueName(item.value, "source")),
    element("span", {}, count(item.registrations, address("users", { source: item.value, ...period })), " ", element("span", { class: "quiet" }, share(item.registrations, whole))),
    meter(item.registrations, whole))));
  const topics = Object.entries(ledger.total.topics).sort(([, a], [, b]) => b - a);
  return [
    section("Where they came from", rows.length ? sources : element("p", { class: "quiet" }, "Nobody registered in these 30 days."), element("p", { class: "hint" }, element("a", { href: "#/origins" }, "All origins"))),
    topics.length > 0 && section("What they asked about", topicBars(topics, ledger.total.requests, (topic) => ({ topic, ...period }))),
  ];
}

function health({ health: { ready, reasons, warnings }, last_webhook_at: heard }) {
  const troubles = [...reasons, ...warnings];
  return element("div", { class: `health ${ready ? (troubles.length ? "warned" : "well") : "ill"}` },
    element("p", {}, element("b", {}, ready ? (troubles.length ? "Customers are served, but look at this" : "All is well") : "Customers are not served"),
      element("span", { class: "quiet" }, heard ? ["last webhook ", time(heard)] : ["no webhook yet: ", element("a", { href: "#/landbot" }, "connect Landbot")])),
    troubles.length > 0 && element("ul", {}, troubles.map((text) => element("li", {}, text))));
}

function today({ today: now, yesterday: before }) {
  const day = dayIn(ownZone, new Date());
  const since = { from: day, tz: ownZone };
  const finished = { finished_from: day, tz: ownZone };
  const card = (label, name, href, options) => element("li", {}, element("a", { href }, element("span", { class: "label" }, label),
    element("b", {}, number(now[name])), change(now[name], before[name], options)));
  return section("Today", element("ul", { class: "tiles" },
    card("Registrations", "registrations", address("users", since)),
    card("Requests", "requests", address("requests", since)),
    card("Messages delivered", "delivered", address("messages", { state: "delivered", ...finished })),
    card("Messages given up", "dead", address("messages", { state: "dead", ...finished }), { worse: true })),
  element("p", { class: "quiet hint" }, "Compared with yesterday up to this time of day."));
}

function waiting({ requests, messages, channels }) {
  const entries = [
    [requests.new, "new requests", "#/requests?state=new", "pending"],
    [requests.acknowledged, "requests to answer", "#/requests?state=acknowledged", "sending"],
    [messages.held, "messages held for you to decide", "#/messages?state=held", "held"],
    [messages.dead, "messages given up", "#/messages?state=dead", "dead"],
    [channels.trouble, "channels in trouble", "#/channels", "dead"],
    [channels.paused, "channels paused", "#/channels", "held"],
    [messages.pending, "messages pending", "#/messages?state=pending", ""],
  ].filter(([value]) => value);
  if (!entries.length) return section("Waiting", element("p", { class: "quiet" }, "Nothing waits for anybody."));
  return section("Waiting", element("ul", { class: "waiting" }, entries.map(([value, text, href, kind]) =>
    element("li", {}, element("a", { href, class: `word ${kind}` }, `${number(value)} ${value === 1 ? text.replace(/s\b/, "") : text}`)))));
}

function firstSteps() {
  return element("div", { class: "empty first-steps" }, element("b", {}, "Three steps to the first customer"), element("ol", {},
    element("li", {}, "Give your bot the two webhooks: ", element("a", { href: "#/landbot" }, "what to paste into Landbot"), "."),
    element("li", {}, "Try it without a bot: ", element("a", { href: "/?utm_source=newsletter&utm_medium=email&utm_campaign=first" }, "open the shop’s page as a newsletter reader"), " and register."),
    element("li", {}, "Come back: who they are, where they came from and what they were sent appears here by itself.")));
}
