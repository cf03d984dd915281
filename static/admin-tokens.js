/** Tokens: who and what may use the API and this console, and as what. */

import { call, may } from "./admin-api.js";
import { attempt, pasteBlock, readAgain } from "./admin-blocks.js";
import { ask, toast } from "./admin-controls.js";
import { reconcile, row, section, table, time } from "./admin-parts.js";
import { element } from "./element.js";

const ROLES = [
  ["read-only", "read-only: sees everything, changes nothing"],
  ["operator", "operator: also requests, messages, channels, replays"],
  ["owner", "owner: also tokens, backups, erasing customers"],
];
const LASTS = [["90d", "90 days"], ["30d", "30 days"], ["365d", "a year"], ["", "until it is revoked"]];

/** The tokens: a list, a form for a new one, and the new one itself, once. */
export function tokens() {
  if (!may("owner")) {
    return { title: "Tokens", nodes: [element("div", { class: "empty" }, element("b", {}, "Only an owner sees the tokens."), element("p", {}, "Sign in with a token of the role owner."))], refresh: async () => {} };
  }
  const { node, rows } = table("Tokens", ["Name", "Role", "Made", "Last used", "Expires", "Revoke"]);
  const fresh = element("div");
  return {
    title: "Tokens",
    about: ["settings"],
    nodes: [
      element("p", { class: "lead" }, "Each person and each script gets a token of its own, so that the audit log tells who did what, and so that one can be revoked."),
      node, fresh, section("A new token", form(fresh)),
    ],
    async refresh(signal) {
      const { items } = await call("tokens", { signal });
      node.hidden = items.length === 0;
      reconcile(rows, items, tokenRow);
    },
  };
}

function tokenRow(token) {
  return row([
    ["to", element("b", {}, token.name), token.created_by && element("span", { class: "quiet" }, `by ${token.created_by}`)],
    ["role", token.role],
    ["made", time(token.created_at)],
    ["used", token.last_used_at ? time(token.last_used_at) : element("span", { class: "quiet" }, "never")],
    ["expires", token.expires_at ? time(token.expires_at) : element("span", { class: "quiet" }, "never")],
    ["act", element("button", { type: "button", class: "small danger", "aria-label": `Revoke ${token.name}`, click: (event) => revoke(token, event.currentTarget) }, "Revoke…")],
  ]);
}

async function revoke(token, button) {
  const place = button.closest("table");
  if (!await ask({
    title: `Revoke “${token.name}”?`, confirm: "Revoke it", danger: true,
    content: element("p", {}, "Whoever uses it is signed out at once and cannot come back with it. This cannot be undone; a new one can be made."),
  })) return;
  const done = await attempt(button, () => call(`tokens/${encodeURIComponent(token.id)}`, { method: "DELETE" }));
  if (!done) return;
  toast(`“${token.name}” is revoked.`);
  readAgain(place);
}

function form(fresh) {
  const select = (id, options) => element("select", { id, name: id }, options.map(([value, label]) => element("option", { value }, label)));
  const name = element("input", { id: "name", name: "name", required: true, maxlength: "100", autocomplete: "off", placeholder: "Ana’s laptop" });
  const submit = async (event) => {
    event.preventDefault();
    const made = event.currentTarget;
    const { expires, ...given } = Object.fromEntries(new FormData(made));
    const body = { ...given, name: given.name.trim(), ...(expires && { expires_in: expires }) };
    const token = await attempt(event.submitter ?? null, () => call("tokens", { method: "POST", body }));
    if (!token) return;
    made.reset();
    showOnce(fresh, token);
    readAgain(fresh);
  };
  return element("form", { class: "controls", submit },
    element("div", { class: "choice" }, element("label", { for: "name" }, "Name"), name),
    element("div", { class: "choice" }, element("label", { for: "role" }, "Role"), select("role", ROLES)),
    element("div", { class: "choice" }, element("label", { for: "expires" }, "Lasts"), select("expires", LASTS)),
    element("button", { class: "main" }, "Make it"));
}

/** The token itself, which the server does not know any more after this. */
function showOnce(place, { name, token }) {
  const box = element("div", { class: "card once", tabindex: "-1" },
    element("p", {}, element("b", {}, `The token “${name}”`), " is shown this once. Keep it where passwords are kept."),
    pasteBlock("Token", token),
    element("p", { class: "actions" }, element("button", { type: "button", class: "small", click: () => place.replaceChildren() }, "I have kept it")));
  place.replaceChildren(box);
  box.focus();
}
