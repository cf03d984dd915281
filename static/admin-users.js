/** Users: who registered and where they came from, and one user with every visit, request, message and attempt. */

import { call, may } from "./admin-api.js";
import { attempt, readAgain } from "./admin-blocks.js";
import { ask, copyButton, csvLink, toast } from "./admin-controls.js";
import { addFilter, DIMENSIONS, originChips, ORIGIN_FILTERS, valueName } from "./admin-filters.js";
import { address, facts, fill, filtersOf, heading, liveList, row, section, table, time } from "./admin-parts.js";
import { originPairs, readAttempts, timeline } from "./admin-timeline.js";
import { element } from "./element.js";

const PAUSE = 250;

/** `#/users` and `#/users/{id}`. */
export function users(query, id) {
  return id ? userDetail(id) : userList(query);
}

function phone(user) {
  return user.phone_e164 || user.phone;
}

function userRow(user) {
  return row([
    ["when", element("a", { href: `#/users/${user.id}`, class: "whole" }, time(user.registered_at ?? user.created_at))],
    ["to", element("b", {}, user.erased ? "erased" : user.name || "no name"), !user.registered_at && element("span", { class: "quiet" }, "only asked")],
    ["mail", user.email],
    ["phone", phone(user)],
    ["source", user.source],
  ]);
}

function userList(query) {
  const filters = filtersOf(query, ["search", ...ORIGIN_FILTERS]);
  const to = (changes) => address("users", { ...filters, ...changes });
  const { node, rows } = table("Users", ["When", "Name", "Mail", "Phone", "Source"]);
  const explain = element("p");
  const csv = csvLink("users", filters);
  const list = liveList({ path: "users", filters, frame: node, place: rows, make: userRow, empty: [explain] });
  const box = element("input", { id: "search", type: "search", "aria-label": "Search users", placeholder: "Name, mail, phone…", autocomplete: "off", spellcheck: "false", value: filters.search });

  /** The list follows what is typed; the address follows too, without a step back for every letter. */
  function search() {
    const text = box.value.trim();
    if (text) filters.search = text;
    else delete filters.search;
    history.replaceState(null, "", to({}));
    csv.href = csvLink("users", filters).href;
    explainEmpty();
    readAgain(box);
  }

  function explainEmpty() {
    const narrowed = Object.keys(filters).length > 0;
    explain.replaceChildren(...(narrowed
      ? [element("b", {}, "Nobody matches."), "Try a part of a name, a mail address or a phone number, or take a filter away. ", element("a", { href: "#/users" }, "Show all users")]
      : [element("b", {}, "No users yet."), "Register on the ", element("a", { href: "/" }, "shop’s page"), ", or let your bot call the webhook: ", element("a", { href: "#/landbot" }, "what to paste"), "."]));
  }

  let timer;
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (box.isConnected) search(); }, PAUSE);
  });
  explainEmpty();
  return {
    title: "Users",
    about: ["users"],
    nodes: [heading("Users", csv), element("div", { class: "controls" }, element("p", { class: "search" }, box), addFilter(filters, to)),
      originChips(filters, to, "Registered"), list.nodes],
    refresh: list.refresh,
  };
}

function userDetail(id) {
  const body = element("div");
  const path = `users/${encodeURIComponent(id)}`;
  const attempts = new Map();
  return {
    title: "User",
    about: ["users", "requests", "messages"],
    nodes: [element("p", { class: "back" }, element("a", { href: "#/users" }, "← Users")), body],
    async refresh(signal) {
      const user = await call(path, { signal });
      await readAttempts(user.messages, attempts, signal);
      const open = body.querySelector("details")?.open ?? false;
      fill(body, [user, ...attempts.values()], () => userSections(user, attempts, open));
    },
  };
}

function userSections(user, attempts, open) {
  const name = user.erased ? "An erased user" : user.name || user.email || "A user without a name";
  return [
    heading(name,
      !user.erased && element("a", { class: "button", href: `/api/users/${encodeURIComponent(user.id)}/export`, download: true }, "Export"),
      !user.erased && may("owner") && element("button", { type: "button", class: "danger", click: (event) => erase(user, name, event.currentTarget) }, "Erase…")),
    facts([
      ["Mail", user.email && [element("a", { href: `mailto:${user.email}` }, user.email), " ", copyButton(user.email)]],
      ["Phone", user.phone_e164 && user.phone && user.phone !== user.phone_e164 ? `${user.phone_e164} (typed: ${user.phone})` : phone(user)],
      ["Language", user.language],
      ["Landbot customer", user.landbot_customer_id],
      ["First seen", time(user.created_at, { exact: true })],
      ["Registered", user.registered_at ? time(user.registered_at, { exact: true }) : "not yet: has only asked"],
      ["Came from", element("b", {}, user.source)],
      ["Id", element("code", {}, user.id)],
    ]),
    counted(user, open),
    section("What happened", timeline(user, attempts)),
  ];
}

/** How the first visit is counted, and by which rule each value got its name. */
function counted({ credited, origin }, open) {
  const told = credited.filter(({ value }) => value);
  return element("details", { class: "explain", open }, element("summary", {}, "Where they came from, and how that is counted"),
    told.length > 0 && facts(told.map(({ dimension, value, from, why }) => [DIMENSIONS[dimension], [
      element("a", { href: address("origins", { [dimension]: value, period: "12m" }) }, valueName(value, dimension)),
      element("span", { class: "quiet" }, ` ← ${from || "nothing told"}: ${why}`),
    ]])),
    element("h2", {}, "As it came"), facts(originPairs(origin)));
}

/** Erasing cannot be undone: whoever does it says once more whom they mean. */
async function erase(user, name, button) {
  const word = user.email ?? user.phone_e164 ?? user.phone ?? user.id;
  const answer = await ask({
    title: `Erase ${name}?`, confirm: "Erase for good", danger: true,
    content: [
      element("p", {}, "Their name, addresses, questions and messages go from the database; the counts stay true. It cannot be undone."),
      element("label", {}, `Type ${word} to confirm`, element("input", { name: "confirm", autocomplete: "off", spellcheck: "false", required: true })),
    ],
  });
  if (!answer) return;
  const erased = await attempt(button, () => call(`users/${encodeURIComponent(user.id)}/erase`, { method: "POST", body: { confirm: answer.confirm } }));
  if (!erased) return;
  toast(`${name} is erased.${erased.log_emptied ? "" : " The database’s log is emptied as soon as a backup or another program lets go of it."}`);
  location.hash = "#/users";
}
