/** Messages: the outbox as a list, and what can be done with many of them at once. */

import { call, may } from "./admin-api.js";
import { attempt, readAgain } from "./admin-blocks.js";
import { ask, choice, csvLink, segments, toast } from "./admin-controls.js";
import { field, forApi, otherFilters } from "./admin-filters.js";
import { keyLegend, stepAmong } from "./admin-keys.js";
import { CANCELLED, customer, messageDetail, RETRIED } from "./admin-message.js";
import { address, fill, filtersOf, fixedTable, heading, liveList, number, row, table, time, word } from "./admin-parts.js";
import { element } from "./element.js";

const STATES = ["pending", "sending", "delivered", "dead", "held", "cancelled"];
const PURPOSES = ["welcome", "request", "acknowledged", "answered", "closed", "alert", "report", "test"];
/** The headings of a table of messages. */
export const COLUMNS = ["When", "State", "Customer", "Channel", "Purpose", "Attempts", "Note"];
const SHOWN = ["state", "channel", "purpose", "from", "to"];

/** What there is to say about a message in a few words: when it is due, what went wrong, the receiver's name for it. */
function note(message) {
  const due = message.state === "pending" ? [element("span", { class: "due" }, "due ", time(message.due_at))] : [];
  const error = message.last_error && message.state !== "delivered" ? [element("span", { class: "bad" }, message.last_error)] : [];
  const reference = message.state === "delivered" && message.reference ? [element("span", { class: "quiet" }, message.reference)] : [];
  return [...due, ...error, ...reference];
}

/** A message as a row of such a table. */
export function messageRow(message) {
  return row([
    ["when", element("a", { href: `#/messages/${message.id}`, class: "whole" }, time(message.created_at))],
    ["state", word(message.state)],
    ["to", element("b", {}, customer(message)), message.name && message.recipient ? element("span", { class: "quiet" }, `→ ${message.recipient}`) : null],
    ["channel", message.channel],
    ["purpose", message.purpose],
    ["attempts", message.attempts ? `${message.attempts}×` : ""],
    ["note", note(message)],
  ]);
}

/** A table of messages that are all here already: a user's. */
export function messageTable(messages) {
  return fixedTable("Messages", COLUMNS, messages.map(messageRow));
}

/** `#/messages`, with its filters, and `#/messages/{id}`. */
export function messages(query, id) {
  return id ? messageDetail(id) : messageList(filtersOf(query, [...SHOWN, "tz", "finished_from", "finished_to", "user", "request"]));
}

function messageList(filters) {
  const asked = forApi(filters);
  const { node, rows } = table("Messages", COLUMNS);
  const list = liveList({ path: "messages", filters: asked, frame: node, place: rows, make: messageRow, empty: nothing(filters) });
  const channels = element("div");
  const many = bulk(filters);
  return {
    title: "Messages",
    about: ["messages"],
    nodes: [
      heading("Messages", csvLink("messages", asked)),
      segments("State", [["", "all"], ...STATES.map((state) => [state, state])], filters.state ?? "", (state) => narrowed(filters, "state", state)),
      element("div", { class: "controls", role: "search", "aria-label": "Filters" }, channels,
        choice("Purpose", withAny(PURPOSES, filters.purpose), filters.purpose ?? "", (purpose) => narrowed(filters, "purpose", purpose)),
        field("messages", filters, "from", "From", "date"), field("messages", filters, "to", "To", "date")),
      otherFilters("messages", filters, [...SHOWN, "tz"], { user: "one", request: "one" }), many.node, list.nodes,
      keyLegend([
        { key: "j", label: "next", act: () => stepAmong(rows, 1) },
        { key: "k", label: "previous", act: () => stepAmong(rows, -1) },
        { key: "Enter", label: "open" },
      ]),
    ],
    async refresh(signal) {
      const [known] = await Promise.all([call("channels", { signal }), list.refresh(signal), many.refresh(signal)]);
      fill(channels, known.items.map((channel) => channel.address), (addresses) =>
        choice("Channel", withAny(addresses, filters.channel), filters.channel ?? "", (channel) => narrowed(filters, "channel", channel)));
    },
  };
}

/** The address of the list with another value of one filter. */
function narrowed(filters, name, value) {
  const { [name]: _, ...others } = filters;
  return address("messages", value ? { ...others, [name]: value } : others);
}

/** Values to choose among, with the way back to any; what the address asks for is among them. */
function withAny(values, chosen) {
  const all = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  return [["", "any"], ...all.map((value) => [value, value])];
}

/** How many messages the filters find, and what may be done with all of them. */
function bulk(filters) {
  const node = element("p", { class: "bulk" });
  const asked = forApi(filters);
  const count = (signal) => call(`messages/count?${new URLSearchParams(asked)}`, { signal });

  async function act(verb, button) {
    const found = await attempt(button, () => count());
    if (!found) return;
    if (found.count === 0) return toast("No message fits these filters any more.");
    if (!await ask(question(verb, found, filters))) return;
    let changed = 0;
    const done = await attempt(button, () => inSteps(verb, found.count, (more) => { changed += more; }));
    if (done || changed) toast(verb === "retry" ? `${amount(changed)} pending again.` : `${amount(changed)} cancelled.`);
    readAgain(node);
  }

  /** The server answers after some seconds' worth of messages, and says where to go on. */
  async function inSteps(verb, expected, add) {
    for (let cursor = ""; cursor !== null;) {
      const query = new URLSearchParams({ ...asked, expected: String(expected), ...(cursor && { cursor }) });
      const { changed, next } = await call(`messages/${verb}?${query}`, { method: "POST" });
      add(changed);
      cursor = next ?? null;
    }
    return true;
  }

  async function refresh(signal) {
    fill(node, await count(signal), parts);
  }

  function parts(found) {
    const button = (verb, label, states) => may("operator") && found.count > 0 && states.includes(filters.state) && element("button", {
      type: "button", class: "small", click: (event) => act(verb, event.currentTarget),
    }, label);
    return [
      element("span", {}, howMany(found)),
      button("retry", filters.state === "pending" ? "Send all now…" : "Retry all…", RETRIED), button("cancel", "Cancel all…", CANCELLED),
    ];
  }
  return { node, refresh };
}

/** How many there are, in words; the server does not count on for ever. */
function howMany({ count, more }) {
  return count === 1 ? "1 message" : `${number(count)}${more ? " or more" : ""} messages`;
}

function amount(count) {
  return count === 1 ? "1 message is" : `${number(count)} messages are`;
}

/** What is asked before many messages are changed: how many, which ones, and what it means. */
function question(verb, found, filters) {
  const many = howMany(found);
  const which = Object.entries(filters).map(([name, value]) => element("li", {}, `${name.replaceAll("_", " ")}: `, element("b", {}, value)));
  const meaning = verb === "retry"
    ? "They become due at once, under the same ids and with a fresh retry schedule. The channels’ rates hold: many take a while."
    : "They will not be sent. Each can be retried later.";
  return {
    title: verb === "retry" ? `Retry ${many}?` : `Cancel ${many}?`,
    content: [element("ul", { class: "which" }, which), element("p", { class: "quiet" }, meaning)],
    confirm: verb === "retry" ? `Retry ${many}` : `Cancel ${many}`,
    danger: verb === "cancel",
  };
}

const EMPTY = {
  dead: ["No dead letters.", "A message that failed for good would wait here, with what happened and what to do about it."],
  held: ["Nothing is held.", "A message of which nobody knows whether it arrived waits here for your decision."],
  pending: ["Nothing is waiting.", "Messages that are not due yet, or that are tried again later, stand here."],
  sending: ["Nothing is on its way right now.", "It takes a message a second or so to pass through here."],
};

function nothing(filters) {
  const names = Object.keys(filters);
  if (!names.length) {
    return [element("b", {}, "No messages yet."), element("p", {}, "Register on the ", element("a", { href: "/" }, "shop’s page"), "; the welcome mail follows a little later.")];
  }
  const [title, text] = (names.length === 1 && EMPTY[filters.state]) || ["No such messages.", "None fits these filters right now."];
  return [element("b", {}, title), element("p", {}, `${text} `, element("a", { href: "#/messages" }, "Show all messages"))];
}
