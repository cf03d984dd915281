/** Users: who registered and where they came from, and one user with every visit, request and message. */

import { call } from "./admin-api.js";
import { facts, fixedTable, liveList, row, section, table, time } from "./admin-parts.js";
import { messageTable } from "./admin-messages.js";
import { element } from "./element.js";

const PAUSE = 250;

function phone(user) {
  return user.phone_e164 || user.phone;
}

function userRow(user) {
  return row([
    ["when", element("a", { href: `#/users/${user.id}`, class: "whole" }, time(user.registered_at ?? user.created_at))],
    ["to", element("b", {}, user.name || "no name")],
    ["mail", user.email],
    ["phone", phone(user)],
    ["source", user.source],
  ]);
}

/** `#/users`, with `?search=`. */
export function userList(query) {
  const filters = {};
  const { node, rows } = table("Users", ["When", "Name", "Mail", "Phone", "Source"]);
  const explain = element("p");
  const list = liveList({ path: "users", filters, frame: node, place: rows, make: userRow, empty: [explain] });
  const box = element("input", { type: "search", "aria-label": "Search users", placeholder: "Name, mail, phone…", autocomplete: "off", spellcheck: "false" });

  function search(text) {
    if (text) filters.search = text;
    else delete filters.search;
    explain.replaceChildren(...(text ? ["Nobody matches. Try a part of a name, a mail address or a phone number."] : ["No users yet. Register on the ", element("a", { href: "/" }, "shop’s page"), ", or let your bot call the webhook."]));
  }

  let timer;
  box.value = query.get("search") ?? "";
  search(box.value);
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!box.isConnected) return;
      const text = box.value.trim();
      search(text);
      history.replaceState(null, "", text ? `#/users?${new URLSearchParams({ search: text })}` : "#/users");
      box.dispatchEvent(new CustomEvent("refresh", { bubbles: true }));
    }, PAUSE);
  });
  return { title: "Users", nodes: [element("h1", {}, "Users"), element("p", { class: "search" }, box), list.nodes], refresh: list.refresh };
}

/** An origin's fields as pairs; the groups `utm`, `clicks` and `extra` are opened up. */
function originPairs(origin = {}) {
  return Object.entries(origin).flatMap(([name, value]) => (value !== null && typeof value === "object" ? Object.entries(value) : [[name, value]]))
    .map(([name, value]) => [name, String(value)]);
}

/** `#/users/{id}`. */
export function userDetail(id) {
  const body = element("div");
  let print = "";
  return {
    title: "User",
    nodes: [element("p", { class: "back" }, element("a", { href: "#/users" }, "← Users")), body],
    async refresh(signal) {
      const user = await call(`users/${encodeURIComponent(id)}`, { signal });
      const text = JSON.stringify(user);
      if (text === print) return;
      print = text;
      body.replaceChildren(...userSections(user));
    },
  };
}

function userSections(user) {
  const { touches = [], requests = [], messages = [] } = user;
  const origin = originPairs(user.origin);
  return [
    element("h1", {}, user.name || user.email || "A user without a name"),
    facts([
      ["Mail", user.email],
      ["Phone", user.phone_e164 && user.phone && user.phone !== user.phone_e164 ? `${user.phone_e164} (typed: ${user.phone})` : phone(user)],
      ["Language", user.language],
      ["Landbot customer", user.landbot_customer_id],
      ["First seen", time(user.created_at, { exact: true })],
      ["Registered", user.registered_at && time(user.registered_at, { exact: true })],
      ["Id", element("code", {}, user.id)],
    ]),
    section("Where they came from", facts([["First touch", element("b", {}, user.source)], ...origin]),
      element("p", { class: "quiet" }, touches.length ? "Seen again:" : "Not seen again so far."),
      touches.length > 0 && touchTable(touches, origin)),
    section("Requests", requests.length ? requestTable(requests) : element("p", { class: "quiet" }, "Nothing asked yet.")),
    section("Messages", messages.length ? messageTable(messages) : element("p", { class: "quiet" }, "None.")),
  ];
}

/** When the user was heard of again, and what was different from the first time. */
function touchTable(touches, first) {
  const known = new Map(first);
  const news = (touch) => originPairs(touch.origin).filter(([name, value]) => known.get(name) !== value);
  return fixedTable("Seen again", ["When", "Source", "What is new"], touches.map((touch) => row([
    ["when", time(touch.at)],
    ["source", touch.source],
    ["note", news(touch).map(([name, value]) => `${name}: ${value}`).join(" · ")],
  ])));
}

function requestTable(requests) {
  return fixedTable("Requests", ["When", "Topic", "Question", "Source"], requests.map((request) => row([
    ["when", time(request.created_at)],
    ["topic", element("b", {}, request.topic || "none"), request.topic_unknown ? element("span", { class: "quiet" }, "not in any route") : null],
    ["note long", request.question],
    ["source", request.source],
  ])));
}
