/** Inbox: the webhooks that nobody could read, whole, so that what a customer said can still be saved by hand. */

import { facts, liveList, time } from "./admin-parts.js";
import { element } from "./element.js";

/** The header lines as pairs of name and value. */
function headerPairs(headers) {
  return headers.split("\n").filter(Boolean).map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

function inboxEntry(entry) {
  return element("li", {}, element("details", {},
    element("summary", {}, time(entry.received_at), element("b", {}, entry.why), element("code", {}, entry.request_line)),
    facts(headerPairs(entry.headers)),
    element("pre", { tabindex: "0", "aria-label": "Body" }, entry.body || "(an empty body)")));
}

/** `#/inbox`. */
export function inbox() {
  const place = element("ul", { class: "entries" });
  const list = liveList({ path: "inbox", filters: {}, frame: place, place, make: inboxEntry, empty: [
    element("b", {}, "Nothing here, and that is good."),
    element("p", {}, "A webhook whose body cannot be read is kept here whole, with the reason, instead of being lost."),
  ] });
  return { title: "Inbox", nodes: [element("h1", {}, "Unreadable webhooks"), list.nodes], refresh: list.refresh };
}
