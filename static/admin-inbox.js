/**
 * Inbox: the last calls of the webhooks with what was understood of them, and those that nobody could read, whole, so
 * that what a customer said can still be saved.
 */

import { call, may } from "./admin-api.js";
import { attempt, tabs } from "./admin-blocks.js";
import { ask, copyButton, segments, toast } from "./admin-controls.js";
import { duration, facts, fill, heading, liveList, reconcile, time } from "./admin-parts.js";
import { element } from "./element.js";

const LONGEST = 80; // characters of a title
const replays = new Map(); // what the replay of an entry was answered, for as long as the console is open
const open = new Set(); // the entries that are unfolded

/** `#/inbox`, with `?show=unreadable`. */
export function inbox(query) {
  return query?.get("show") === "unreadable" ? unreadable() : calls();
}

function which(chosen) {
  return segments("Which calls", [["", "the last calls"], ["unreadable", "unreadable"]], chosen, (value) => (value ? `#/inbox?show=${value}` : "#/inbox"));
}

/** An entry that unfolds; it stays as it is while the list is read again. */
function entry(id, summary, content) {
  const node = element("details", { open: open.has(id), toggle: () => {
    if (node.open) open.add(id);
    else open.delete(id);
  } }, element("summary", {}, summary), content);
  return element("li", {}, node);
}

/** What is shown of an answer in one word: green when the call was taken. */
function answerWord({ http_status: code, status }) {
  const colour = code < 300 ? "delivered" : code < 500 ? "held" : "dead";
  return element("span", { class: `word ${colour}` }, `${code} ${status || ""}`);
}

function body(name, text) {
  return element("pre", { tabindex: "0", role: "region", "aria-label": name }, text || "(empty)");
}

/** A body as it came and, where it is JSON, laid out. */
function bodyView(text) {
  let laidOut = "";
  try {
    laidOut = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // not JSON: as it came is all there is
  }
  if (!laidOut || laidOut === text) return body("Body", text);
  return tabs("Body", [{ name: "Laid out", node: body("Body, laid out", laidOut) }, { name: "As it came", node: body("Body, as it came", text) }]);
}

/** The button that replays an entry, and what came of it. `again` shows the list anew. */
function replay(path, id, again) {
  const result = replays.get(id);
  const act = async (event) => {
    const button = event.currentTarget;
    if (!await ask({
      title: "Replay this call?", confirm: "Replay it",
      content: element("p", {}, "It is taken in once more, just as if the bot had called now. A customer who is known is not registered twice and gets no second welcome; a question that was asked more than ten minutes ago is asked again."),
    })) return;
    const answer = await attempt(button, () => call(`${path}/${encodeURIComponent(id)}/replay`, { method: "POST" }));
    if (!answer) return;
    replays.set(id, { ...answer, at: new Date().toISOString() });
    toast(answer.http_status < 300 ? "Replayed: it was taken." : `Replayed: it was refused with ${answer.http_status}.`, { bad: answer.http_status >= 300 });
    again();
  };
  return [
    may("operator") && element("p", { class: "actions" }, element("button", { type: "button", class: "small", click: act }, "Replay…")),
    result && element("p", {}, "Replayed ", time(result.at), ": ", answerWord({ http_status: result.http_status, status: result.answer?.status }), " ", result.answer?.message),
  ];
}

/** The last calls, which the server keeps in memory. */
function calls() {
  const place = element("ul", { class: "entries" });
  const rest = element("div");
  let items = [];
  const again = () => reconcile(place, items.map((one) => ({ ...one, replay: replays.get(one.id) })), (one) => callEntry(one, again));
  return {
    title: "Inbox",
    about: ["webhooks"],
    nodes: [heading("Inbox"), which(""), place, rest],
    async refresh(signal) {
      ({ items } = await call("webhooks", { signal }));
      again();
      place.hidden = !items.length;
      fill(rest, items.length > 0, (some) => (some
        ? element("p", { class: "quiet" }, "The last 200 calls since the server started; older ones are forgotten. What was accepted is kept for good.")
        : element("div", { class: "empty" }, element("b", {}, "No webhook has arrived since the server started."),
          element("p", {}, "Every call of your bot shows up here with what was understood of it. ", element("a", { href: "#/landbot" }, "What to paste into Landbot")))));
    },
  };
}

function callEntry(one, again) {
  const understood = Object.entries(one.understood ?? {}).map(([name, value]) => [name.replaceAll("_", " "), typeof value === "object" && value ? JSON.stringify(value) : String(value ?? "")]);
  const summary = [time(one.at), answerWord(one.answer), element("b", {}, title(one)), element("code", {}, one.path)];
  return entry(one.id, summary, [
    element("p", {}, one.answer.message, element("span", { class: "quiet" }, ` Answered in ${duration(one.took_ms)}.`)),
    element("h2", {}, "What was understood"),
    understood.length ? facts(understood) : element("p", { class: "quiet" }, "Nothing."),
    element("h2", {}, "What came ", element("span", { class: "quiet" }, one.content_type || "without a content type")),
    one.truncated && element("p", { class: "quiet" }, "Only its beginning is kept."),
    bodyView(one.body), replay("webhooks", one.id, again),
  ]);
}

/** Who called or what for, in a few words. */
function title({ understood = {}, path }) {
  const told = understood.question || understood.name || understood.email || understood.phone || (path.includes("topic") ? "a question" : "a registration");
  return told.length > LONGEST ? `${told.slice(0, LONGEST)}…` : told;
}

/** The calls that nobody could read; they are kept on the disk. */
function unreadable() {
  const place = element("ul", { class: "entries" });
  const make = (one) => unreadableEntry(one, () => {
    const old = place.querySelector(`[data-key="${CSS.escape(one.id)}"]`);
    const fresh = make(one);
    Object.assign(fresh, { print: old.print });
    fresh.dataset.key = one.id;
    old.replaceWith(fresh);
  });
  const list = liveList({ path: "inbox", filters: {}, frame: place, place, make, empty: [
    element("b", {}, "Nothing here, and that is good."),
    element("p", {}, "A webhook whose body cannot be read is kept here whole, with the reason, instead of being lost."),
  ] });
  return { title: "Inbox", about: ["inbox"], nodes: [heading("Inbox"), which("unreadable"), list.nodes], refresh: list.refresh };
}

/** The header lines as pairs of name and value. */
function headerPairs(headers) {
  return headers.split("\n").filter(Boolean).map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

function unreadableEntry(one, again) {
  return entry(one.id, [time(one.received_at), element("b", {}, one.why), element("code", {}, one.request_line)], [
    facts(headerPairs(one.headers)), body("Body", one.body),
    element("p", { class: "actions" }, copyButton(one.body, "Copy the body")), replay("inbox", one.id, again),
  ]);
}
