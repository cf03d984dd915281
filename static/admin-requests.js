/** Requests: what customers asked, as an inbox that is worked through with a few keys. */

import { call, may, whoami } from "./admin-api.js";
import { attempt, readAgain } from "./admin-blocks.js";
import { csvLink, segments, toast } from "./admin-controls.js";
import { DIMENSIONS, field, forApi, otherFilters, propose } from "./admin-filters.js";
import { focusRow, keyLegend, stepAmong } from "./admin-keys.js";
import { address, compact, fill, filtersOf, heading, liveList, row, table, time, word } from "./admin-parts.js";
import { assign, mayBecome, requestDetail, STATES, step, STEPS, whose } from "./admin-request.js";
import { element } from "./element.js";

const ORIGIN = ["touch", ...Object.keys(DIMENSIONS)];
const SHOWN = ["state", "topic", "assignee", "from", "to"];

let lastShown = []; // the ids of the list that was last looked at, for going on from one request to the next

/** `#/requests`, with its filters, and `#/requests/{id}`. */
export function requests(query, id) {
  return id ? requestDetail(id, lastShown) : requestList(filtersOf(query, [...SHOWN, "user", "tz", ...ORIGIN]));
}

function requestRow(request) {
  return row([
    ["when", element("a", { href: `#/requests/${request.id}`, class: "whole" }, time(request.created_at))],
    ["state", word(request.state)],
    ["to", element("b", {}, whose(request)), request.source && element("span", { class: "quiet" }, request.source)],
    ["topic", request.topic || "no topic", request.topic_unknown && element("span", { class: "quiet" }, "in no route")],
    ["question", element("span", { class: "clamp" }, request.question || "(no question)"), request.note && element("span", { class: "quiet clamp" }, `✎ ${request.note}`)],
    ["assignee", request.assignee],
  ]);
}

function requestList(filters) {
  const { node, rows } = table("Requests", ["Asked", "State", "Customer", "Topic", "Question", "Assignee"]);
  const states = element("div");
  const bar = element("div", { class: "controls", role: "search", "aria-label": "Filters" },
    field("requests", filters, "topic", "Topic"), field("requests", filters, "assignee", "Assignee"),
    field("requests", filters, "from", "From", "date"), field("requests", filters, "to", "To", "date"));
  const items = new Map();
  const make = (request) => {
    items.set(request.id, request);
    return requestRow(request);
  };
  const list = liveList({ path: "requests", filters: forApi(filters), frame: node, place: rows, make, empty: nothing(filters) });

  async function refresh(signal) {
    const at = [...rows.children].findIndex((one) => one.contains(document.activeElement));
    const [counts] = await Promise.all([call("requests/counts", { signal }), list.refresh(signal)]);
    fill(states, counts, () => stateChoice(filters, counts));
    lastShown = [...rows.children].map((one) => one.dataset.key);
    const shown = lastShown.map((one) => items.get(one));
    propose(bar, "topic", shown.map((one) => one.topic));
    propose(bar, "assignee", [whoami(), ...shown.map((one) => one.assignee)]);
    if (at >= 0 && document.activeElement === document.body) focusRow(rows.children[Math.min(at, rows.children.length - 1)]);
  }

  return {
    title: "Requests",
    about: ["requests"],
    nodes: [
      heading("Requests", csvLink("requests", forApi(filters))), states, bar, otherFilters("requests", filters, [...SHOWN, "tz"], { user: "one", touch: "last visit" }),
      list.nodes, legend(rows, (id) => items.get(id)),
    ],
    refresh,
  };
}

function stateChoice({ state: chosen = "", ...others }, counts) {
  const total = STATES.reduce((sum, state) => sum + counts[state], 0);
  const label = (name, count) => [name, element("span", { class: "count" }, compact(count), counts.more && count >= 100_000 && "+")];
  const to = (state) => address("requests", state ? { ...others, state } : others);
  return segments("State", [["", label("all", total)], ...STATES.map((state) => [state, label(state, counts[state])])], chosen, to);
}

/** The keys of the list: they act on the row that has the focus. */
function legend(rows, request) {
  const act = (work) => async () => {
    const focused = [...rows.children].find((one) => one.contains(document.activeElement));
    if (!focused) return toast("Choose a request first: j goes to the next one, k to the one before.");
    const done = await attempt(null, () => work(request(focused.dataset.key)));
    if (!done) return undefined;
    toast(done);
    return readAgain(rows);
  };
  const name = (one) => one.name || one.topic || "The request";
  const changes = STEPS.map((each) => ({ key: each.key, label: each.label.toLowerCase(), act: act(async (one) => {
    if (!mayBecome(one, each.to)) return `It is ${one.state} already.`;
    const { state } = await step(one.id, each);
    return `${name(one)}: ${state}.`;
  }) }));
  const mine = { key: "m", label: "mine", act: act(async (one) => {
    await assign(one.id, whoami());
    return `${name(one)}: assigned to ${whoami()}.`;
  }) };
  return keyLegend([
    { key: "j", label: "next", act: () => stepAmong(rows, 1) },
    { key: "k", label: "previous", act: () => stepAmong(rows, -1) },
    { key: "Enter", label: "open" },
    ...(may("operator") ? changes : []), ...(may("operator") && whoami() ? [mine] : []),
  ]);
}

function nothing(filters) {
  const names = Object.keys(filters);
  if (!names.length) {
    return [
      element("b", {}, "No questions yet."),
      element("p", {}, "A customer who asks for help in your bot, or on the ", element("a", { href: "/" }, "shop’s page"), ", shows up here, and the question goes to the channel of its topic."),
    ];
  }
  const waiting = filters.state === "new" && names.length === 1;
  return [
    element("b", {}, waiting ? "Nobody waits." : "No such requests."),
    element("p", {}, waiting ? "Every question has been looked at. New ones appear here by themselves. " : "None fits these filters. ", element("a", { href: "#/requests" }, "Show all requests")),
  ];
}
