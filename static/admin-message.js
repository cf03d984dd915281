/** One message: why it is where it is, what it says, every attempt, and what an operator can do about it. */

import { call, may } from "./admin-api.js";
import { attempt, mailFrame, tabs } from "./admin-blocks.js";
import { toast } from "./admin-controls.js";
import { facts, fill, fixedTable, row, section, time, word } from "./admin-parts.js";
import { element } from "./element.js";
import { readMail } from "./mail.js";

/** The states out of which a message can be retried. */
export const RETRIED = ["dead", "held", "cancelled", "pending"];

/** The states out of which a message can be cancelled. */
export const CANCELLED = ["pending", "held"];

/** The customer a message is about, by name where one is known. */
export function customer(message) {
  return message.name || message.recipient || message.channel;
}

/** `#/messages/{id}`. */
export function messageDetail(id) {
  const place = { head: element("div"), why: element("div"), attempts: element("div"), text: element("div") };

  function show(message) {
    const { history, text, captured, preview, why, ...item } = message;
    fill(place.head, item, () => summary(item, act));
    fill(place.why, [why, item], () => whyCard(item, why));
    fill(place.attempts, history, () => attemptTable(history));
    fill(place.text, [text, captured, preview, item.state], () => content(message));
  }

  async function act(verb, done, button) {
    const message = await attempt(button, () => call(`messages/${encodeURIComponent(id)}/${verb}`, { method: "POST" }));
    if (!message) return;
    show(message);
    toast(done);
  }

  return {
    title: "Message",
    about: ["messages"],
    nodes: [element("p", { class: "back" }, element("a", { href: "#/messages" }, "← Messages")), place.head, place.why, place.text, place.attempts],
    refresh: async (signal) => show(await call(`messages/${encodeURIComponent(id)}`, { signal })),
  };
}

function summary(message, act) {
  const button = (verb, label, done, allowed) => may("operator") && allowed.includes(message.state) && element("button", {
    type: "button", click: (event) => act(verb, done, event.currentTarget),
  }, label);
  return [
    element("div", { class: "heading" }, element("h1", {}, `${message.purpose} · ${customer(message)}`), word(message.state)),
    facts([
      ["Channel", element("a", { href: `#/channels/${message.channel}` }, message.channel)],
      ["Recipient", message.recipient],
      ["Customer", message.user_id && element("a", { href: `#/users/${message.user_id}` }, message.name || "open")],
      ["Request", message.request_id && element("a", { href: `#/requests/${message.request_id}` }, "open")],
      ["Made", time(message.created_at, { exact: true })],
      [message.finished_at ? "Was due" : "Due", time(message.due_at, { exact: true })],
      ["Finished", message.finished_at && time(message.finished_at, { exact: true })],
      ["Reference", message.reference && element("code", {}, message.reference)],
      ["Id", element("code", {}, message.id)],
    ]),
    element("p", { class: "actions" },
      button("retry", message.state === "pending" ? "Send now" : "Retry", "It is pending again and goes out next.", RETRIED),
      button("cancel", "Cancel", "Cancelled. It will not be sent.", CANCELLED)),
  ];
}

const STANDS = {
  pending: (message) => ["It waits. It is due ", time(message.due_at), "."],
  sending: () => "It is on its way: the channel has been handed it and has not answered yet.",
  delivered: (message) => ["The receiver took it ", time(message.finished_at), "."],
  dead: () => "It was given up. Nothing more happens by itself: mend what is wrong, then retry it.",
  held: () => "Nobody knows whether it arrived. Look at the receiver, then retry it, which may send it twice, or cancel it.",
  cancelled: () => "It was called off and will not be sent.",
};

/** Why the message is where it is: the sentence of its state, and whatever the server knows besides. */
function whyCard(message, why) {
  const { route, deferred_until: until, deferred_because: because, retry, handed_over: handed } = why ?? {};
  const lines = [
    ["Goes there because", route],
    ["Put off until", until && [time(until, { exact: true }), because && `, ${because}`]],
    ["Retry", retry && [attemptsOf(retry), retry.next_at && [", next ", time(retry.next_at)]]],
    ["Because of", retry?.because && element("span", { class: "bad" }, retry.because)],
    ["Handed over", handed || (message.handed_over_from && `from ${message.handed_over_from}, which did not deliver it`)],
    ["Last error", message.last_error && message.last_error !== retry?.because && element("span", { class: message.state === "delivered" ? "quiet" : "bad" }, message.last_error)],
  ].filter(([, value]) => value);
  return element("section", { class: `card why ${message.state}` }, element("h2", {}, "Why"),
    element("p", {}, STANDS[message.state]?.(message)), lines.length > 0 && facts(lines));
}

/** How many of its attempts a message has used: a failure of the whole channel costs none. */
function attemptsOf({ attempt: used, of }) {
  if (used === 0) return of ? `none of its ${of} attempts used yet` : "no attempt used yet";
  return of ? `${used} of ${of}` : `attempt ${used}`;
}

function attemptTable(history) {
  if (!history.length) return section("Attempts", element("p", { class: "quiet" }, "None yet."));
  return section("Attempts", fixedTable("Attempts", ["#", "Started", "Over", "Took", "Outcome", "Reaches", "What happened"], history.map((one) => row([
    ["number", String(one.epoch)],
    ["when", time(one.started_at)],
    ["channel", one.channel],
    ["took", `${one.duration_ms} ms`],
    ["state", word(one.outcome)],
    ["scope", one.scope],
    ["note", one.error],
  ]))));
}

const TITLES = { delivered: "What was sent", dead: "What was to be sent", cancelled: "What was to be sent" };

/** What was or will be sent: as its reader sees it, as plain text, and byte for byte. */
function content(message) {
  const { captured, state, preview } = message;
  const title = captured ? "What would have been sent" : TITLES[state] ?? "What will be sent";
  const { subject, text, html, post, source, lines } = partsOf(message);
  if (!source) return section(title, element("p", { class: "quiet" }, "There is no text to show."));
  const pre = (name, value) => element("pre", { tabindex: "0", role: "region", "aria-label": name }, value);
  const panels = [
    html && { name: "HTML", node: mailFrame(html) },
    post && { name: "Post", node: element("p", { class: "post" }, emphasised(post)) },
    text && { name: "Text", node: pre("Text", text) },
    { name: "Source", node: pre("Source", source) },
  ].filter(Boolean);
  return section(title, facts([...lines, ["Subject", subject]]), captured && element("p", { class: "quiet" }, "Kept by the sandbox; nobody was written to."),
    preview?.current === false && element("p", { class: "warn" }, "The texts have changed since: what it says is shown as it would be now, its source as it was kept."), tabs("What it says", panels));
}

/** The parts to show: those the server told, else what can be read out of the bytes on the wire. */
function partsOf({ preview, text: wire = "", channel }) {
  const mail = channel.startsWith("email.") ? readMail(wire) : null;
  const lines = mail ? [["From", mail.from], ["To", mail.to], ["Reply to", mail.replyTo]] : [];
  const post = channel.startsWith("slack.") ? readPost(wire) : "";
  const own = { subject: mail?.subject, text: mail?.text, html: mail?.html, source: wire };
  const told = Object.fromEntries(Object.entries(preview ?? {}).filter(([, value]) => value));
  return { ...own, ...told, post, lines };
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
