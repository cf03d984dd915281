/** The audit log: every change, and who made it. */

import { liveList, row, table, time } from "./admin-parts.js";
import { element } from "./element.js";

const ID = /^[0-9a-f-]{36}$/;
const PAGES = { message: "messages", request: "requests", user: "users", channel: "channels" };

/** The log, newest first. */
export function auditLog() {
  const { node, rows } = table("Audit log", ["When", "Who", "Action", "What", "Detail"]);
  const list = liveList({ path: "audit", filters: {}, frame: node, place: rows, make: auditRow, empty: [
    element("b", {}, "Nothing was changed yet."),
    element("p", {}, "Whoever changes something, here, on the command line or over the API, is named here with what they changed."),
  ] });
  return { title: "Audit log", about: ["settings"], nodes: [list.nodes], refresh: list.refresh };
}

function auditRow({ at, who, role, action, target, detail }) {
  return row([
    ["when", time(at)],
    ["to", element("b", {}, who), role && element("span", { class: "quiet" }, role)],
    ["action", action],
    ["target", targetLink(action, target)],
    ["note", detail],
  ]);
}

/** What was changed, as a link where there is a page for it: an action begins with what it is done to, as `message.retry`. Some are done to many at once. */
function targetLink(action, target) {
  const page = PAGES[action.split(".")[0]];
  return page && (page === "channels" || ID.test(target)) ? element("a", { href: `#/${page}/${encodeURIComponent(target)}` }, target) : target;
}
