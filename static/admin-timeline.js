/** One customer's story in one stream, the newest first: visits, the registration, requests, and messages with their attempts. */

import { call } from "./admin-api.js";
import { duration, time, word } from "./admin-parts.js";
import { element } from "./element.js";

const MOST_READ = 30;

/** An origin's fields as pairs; the groups `utm`, `clicks` and `extra` are opened up. */
export function originPairs(origin = {}) {
  return Object.entries(origin).flatMap(([name, value]) => (value !== null && typeof value === "object" ? Object.entries(value) : [[name, value]]))
    .map(([name, value]) => [name, String(value)]);
}

/** Reads the attempts of the newest messages into `known`, those again that have changed since. */
export async function readAttempts(messages, known, signal) {
  const changed = messages.slice(-MOST_READ).filter((message) => message.attempts || message.finished_at)
    .filter((message) => known.get(message.id)?.print !== JSON.stringify(message));
  await Promise.all(changed.map(async (message) => {
    const { history } = await call(`messages/${encodeURIComponent(message.id)}`, { signal });
    known.set(message.id, { print: JSON.stringify(message), history });
  }));
}

/** The stream of a user with the time at which they `opened` the chat, their `touches`, `requests` and `messages`. */
export function timeline(user, attempts) {
  const { touches, requests, messages, opened_at: opened } = user;
  const first = originPairs(user.origin);
  const known = new Map(first);
  const entries = [
    { at: user.created_at, kind: "visit", rank: 0, content: () => visit(user.source, first, "First visit") },
    user.registered_at && { at: user.registered_at, kind: "registered", rank: 1, content: () => [element("b", {}, "Registered")] },
    opened && { at: opened, kind: "visit", rank: 0, content: () => [element("b", {}, "Opened the chat"), " by the link in the welcome"] },
    ...touches.map((touch) => ({ at: touch.at, kind: "visit", rank: 0, content: () => visit(touch.source, originPairs(touch.origin).filter(([name, value]) => known.get(name) !== value), "Seen again") })),
    ...requests.map((request) => ({ at: request.created_at, kind: "request", rank: 2, content: () => asked(request) })),
    ...messages.map((message) => ({ at: message.created_at, kind: "message", rank: 3, content: () => sent(message, attempts.get(message.id)?.history ?? []) })),
  ].filter(Boolean);
  entries.sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || b.rank - a.rank);
  return element("ol", { class: "timeline" }, entries.map(({ at, kind, content }) =>
    element("li", { class: kind }, element("span", { class: "quiet" }, time(at)), element("div", {}, content()))));
}

function visit(source, pairs, title) {
  return [element("p", {}, element("b", {}, title), ` from ${source}`),
    pairs.length > 0 && element("p", { class: "tags" }, pairs.map(([name, value]) => element("span", {}, `${name}: ${value}`)))];
}

function asked(request) {
  return [
    element("p", {}, element("b", {}, "Asked"), " about ", element("a", { href: `#/requests/${request.id}` }, request.topic || "nothing in particular"),
      request.topic_unknown && element("span", { class: "quiet" }, " (in no route)"), " ", word(request.state)),
    element("blockquote", {}, request.question),
  ];
}

function sent(message, history) {
  return [
    element("p", {}, element("a", { href: `#/messages/${message.id}` }, `${message.purpose[0].toUpperCase()}${message.purpose.slice(1)} over ${message.channel}`), " ", word(message.state),
      message.state === "pending" && [" due ", time(message.due_at)]),
    history.length > 0 && element("ul", { class: "attempts" }, history.map((attempt) => element("li", {},
      word(attempt.outcome), element("span", { class: "quiet" }, time(attempt.started_at), `, took ${duration(attempt.duration_ms)}`),
      attempt.error && element("span", { class: "bad" }, attempt.error)))),
    !history.length && message.last_error && element("p", { class: "bad" }, message.last_error),
  ];
}
