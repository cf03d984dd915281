/** Messages: the outbox as a list, and one message with its attempts and the text that was or will be sent. */

import { ApiError, call } from "./admin-api.js";
import { facts, fixedTable, liveList, row, section, table, time, word } from "./admin-parts.js";
import { element } from "./element.js";
import { readMail } from "./mail.js";

const STATES = ["pending", "sending", "delivered", "dead", "held", "cancelled"];
const RETRIED = ["dead", "held", "cancelled", "pending"];
const CANCELLED = ["pending", "held"];
const COLUMNS = ["When", "State", "Customer", "Channel", "Purpose", "Attempts", "Note"];

/** What there is to say about a message in a few words: when it is due, what went wrong, the receiver's name for it. */
function note(message) {
  const due = message.state === "pending" ? [element("span", { class: "due" }, "due ", time(message.due_at))] : [];
  const error = message.last_error && message.state !== "delivered" ? [element("span", { class: "bad" }, message.last_error)] : [];
  const reference = message.state === "delivered" && message.reference ? [element("span", { class: "quiet" }, message.reference)] : [];
  return [...due, ...error, ...reference];
}

/** The customer it is about, by name where one is known. */
function customer(message) {
  return message.name || message.recipient || message.channel;
}

function messageRow(message) {
  return row([
    ["when", element("a", { href: `#/messages/${message.id}`, class: "whole" }, time(message.created_at))],
    ["state", word(message.state)],
    ["to", element("b", {}, customer(message)), message.name && message.recipient ? element("span", { class: "quiet" }, `→ ${message.recipient}`) : null],
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

/** `#/messages`, with `?state=`, `?channel=`, `?user=`. */
export function messageList(query) {
  const filters = Object.fromEntries(["state", "channel", "user"].map((name) => [name, query.get(name)]).filter(([, value]) => value));
  const { node, rows } = table("Messages", COLUMNS);
  const empty = Object.keys(filters).length
    ? [element("b", {}, "No such messages."), element("p", {}, "Nothing is in this state right now. ", element("a", { href: "#/messages" }, "Show all messages"))]
    : [element("b", {}, "No messages yet."), element("p", {}, "Register on the ", element("a", { href: "/" }, "shop’s page"), "; the welcome mail follows a little later.")];
  const list = liveList({ path: "messages", filters, frame: node, place: rows, make: messageRow, empty });
  return { title: "Messages", nodes: [element("h1", {}, "Messages"), stateFilter(filters), otherFilters(filters), list.nodes], refresh: list.refresh };
}

function link(filters) {
  const query = new URLSearchParams(filters).toString();
  return query ? `#/messages?${query}` : "#/messages";
}

function stateFilter(filters) {
  const choice = (label, state) => {
    const { state: _, ...others } = filters;
    return element("a", { href: link(state ? { ...others, state } : others), "aria-current": (filters.state ?? "") === state ? "true" : null }, label);
  };
  return element("nav", { class: "filter", "aria-label": "State" }, choice("all", ""), STATES.map((state) => choice(state, state)));
}

function otherFilters({ state, channel, user }) {
  if (!channel && !user) return null;
  const of = [channel && `over ${channel}`, user && "of one user"].filter(Boolean).join(", ");
  return element("p", { class: "quiet" }, `Only messages ${of}. `, element("a", { href: link(state ? { state } : {}) }, "Show all"));
}

/** `#/messages/{id}`. */
export function messageDetail(id) {
  const head = element("div");
  const attempts = element("div");
  const content = element("div");
  const said = element("p", { class: "said", role: "status", tabindex: "-1" });
  const print = {};
  let saidOf = ""; // the state that what is said is true of; empty: of any

  function changed(part, value) {
    const text = JSON.stringify(value);
    const differs = print[part] !== text;
    print[part] = text;
    return differs;
  }

  function show(message) {
    const { history = [], text, captured, ...item } = message;
    if (saidOf && item.state !== saidOf) said.textContent = saidOf = "";
    if (changed("head", item)) head.replaceChildren(...summary(item, act));
    if (changed("attempts", history)) attempts.replaceChildren(attemptTable(history));
    if (changed("text", [text, captured, item.state === "delivered"])) content.replaceChildren(...words(message));
  }

  async function act(verb, done) {
    try {
      const message = await call(`messages/${encodeURIComponent(id)}/${verb}`, { method: "POST" });
      saidOf = "";
      show(message);
      said.textContent = done;
      saidOf = message.state;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 401) throw error;
      said.textContent = error.message;
      saidOf = "";
    }
    said.focus({ preventScroll: true });
  }

  return {
    title: "Message",
    nodes: [element("p", { class: "back" }, element("a", { href: "#/messages" }, "← Messages")), head, said, attempts, content],
    refresh: async (signal) => show(await call(`messages/${encodeURIComponent(id)}`, { signal })),
  };
}

function summary(message, act) {
  const button = (verb, label, done, allowed) => allowed.includes(message.state) && element("button", { type: "button", click: (event) => {
    event.currentTarget.disabled = true;
    act(verb, done);
  } }, label);
  return [
    element("div", { class: "heading" }, element("h1", {}, `${message.purpose} · ${customer(message)}`), word(message.state)),
    facts([
      ["Channel", element("a", { href: link({ channel: message.channel }) }, message.channel)],
      ["Recipient", message.recipient],
      ["User", message.user_id && element("a", { href: `#/users/${message.user_id}` }, message.name || "open")],
      ["Made", time(message.created_at, { exact: true })],
      [message.finished_at ? "Was due" : "Due", time(message.due_at, { exact: true })],
      ["Finished", message.finished_at && time(message.finished_at, { exact: true })],
      ["Attempts", String(message.attempts)],
      ["Reference", message.reference],
      ["Last error", message.last_error && element("span", { class: "bad" }, message.last_error)],
      ["Id", element("code", {}, message.id)],
    ]),
    element("p", { class: "actions" },
      button("retry", message.state === "pending" ? "Send now" : "Retry", "It is pending again and goes out next.", RETRIED),
      button("cancel", "Cancel", "Cancelled. It will not be sent.", CANCELLED)),
  ];
}

function attemptTable(history) {
  if (!history.length) return section("Attempts", element("p", { class: "quiet" }, "None yet."));
  return section("Attempts", fixedTable("Attempts", ["#", "Started", "Took", "Outcome", "Reaches", "What happened"], history.map((attempt) => row([
    ["number", String(attempt.epoch)],
    ["when", time(attempt.started_at)],
    ["took", `${attempt.duration_ms} ms`],
    ["state", word(attempt.outcome)],
    ["scope", attempt.scope],
    ["note", attempt.error],
  ]))));
}

/** The text, and for mail its readable parts beside it. */
function words({ text, captured, channel, state }) {
  if (!text) return [section("Text", element("p", { class: "quiet" }, "There is no text to show."))];
  const title = captured ? "Exactly what would have been sent" : state === "delivered" ? "What was sent" : "What will be sent";
  const raw = element("pre", { tabindex: "0", "aria-label": title }, text);
  const mail = channel.startsWith("email.") ? readMail(text) : null;
  const post = channel.startsWith("slack.") ? readPost(text) : "";
  if (post) return [section("How it reads", element("p", { class: "post" }, emphasised(post))), section(title, raw)];
  if (!mail?.html) return [section(title, raw)];
  return [
    section("How it reads", facts([["From", mail.from], ["To", mail.to], ["Reply to", mail.replyTo], ["Subject", mail.subject]]), preview(mail.html)),
    section(title, raw),
  ];
}

/** The texts of a Slack post's blocks, in Slack's notation; nothing when the body is something else. */
function readPost(text) {
  try {
    const { blocks } = JSON.parse(text.replace(/^[\s\S]*?\r?\n\r?\n/, ""));
    const texts = blocks.map((block) => block.text?.text).filter(Boolean).join("\n\n");
    return texts.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
  } catch {
    return "";
  }
}

/** Slack's `*bold*`. */
function emphasised(post) {
  return post.split(/(\*[^*\n]+\*)/).map((part, at) => (at % 2 ? element("b", {}, part.slice(1, -1)) : part));
}

/** A mail's HTML in a frame that may run nothing, send nothing and open nothing; the page's policy keeps images from afar out. */
function preview(html) {
  return element("iframe", { sandbox: "", title: "The mail as its reader sees it", referrerpolicy: "no-referrer", srcdoc: `<!doctype html><base target="_blank">${html}` });
}
