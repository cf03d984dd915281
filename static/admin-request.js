/** One request: what was asked, how to answer, who looks after it, and what has happened so far. */

import { call, may, whoami } from "./admin-api.js";
import { attempt } from "./admin-blocks.js";
import { toast } from "./admin-controls.js";
import { keyLegend } from "./admin-keys.js";
import { messageTable } from "./admin-messages.js";
import { facts, fill, section, time, word } from "./admin-parts.js";
import { element } from "./element.js";

/** The states of a request in the order in which it goes through them. */
export const STATES = ["new", "acknowledged", "answered", "closed"];

/** What brings a request to a state: how the API and the key call it, and what a button says. */
export const STEPS = [
  { to: "acknowledged", verb: "acknowledge", key: "a", label: "Acknowledge" },
  { to: "answered", verb: "answer", key: "r", label: "Answered" },
  { to: "closed", verb: "close", key: "c", label: "Close" },
];

const SAFE = /^(https:|mailto:|tel:)/i;

/** Whether a request may come to this state: it only ever moves on. */
export function mayBecome(request, state) {
  return STATES.indexOf(request.state) < STATES.indexOf(state);
}

/** Brings a request to another state; resolves with the request as it is then. */
export function step(id, { verb }, note = "") {
  return call(`requests/${encodeURIComponent(id)}/${verb}`, { method: "POST", body: { by: whoami(), note } });
}

/** Says who looks after a request; the empty text: nobody. */
export function assign(id, assignee) {
  return call(`requests/${encodeURIComponent(id)}/assign`, { method: "POST", body: { assignee } });
}

/** Keeps a note about a request in place of the one before, if that is still the one that was `expected`. */
function annotate(id, note, expected) {
  return call(`requests/${encodeURIComponent(id)}/note`, { method: "POST", body: { note, expected } });
}

/** `#/requests/{id}`; `neighbours` are the ids of the list it was opened from. */
export function requestDetail(id, neighbours) {
  const place = { head: element("div"), ways: element("div"), steps: element("div"), about: element("div"), history: element("div"), messages: element("div") };
  const remark = element("input", { type: "text", id: "remark", maxlength: "2000", autocomplete: "off" });
  const desk = deskOf(id, (request) => show(request));
  let current = null;

  function show(request) {
    const { messages, changes, edits, note, assignee, ...item } = request;
    fill(place.head, item, () => head(request));
    fill(place.ways, item.reply_to, waysToReply);
    fill(place.steps, item.state, () => steps(request, change, remark));
    fill(place.about, item, () => about(request));
    fill(place.history, [changes, edits, item.created_at], () => history(request));
    fill(place.messages, messages, () => section("Messages", messages.length ? messageTable(messages) : element("p", { class: "quiet" }, "None: they may have been tidied away.")));
    desk.show({ note, assignee });
    current = request;
  }

  async function change(each, button) {
    if (!current) return;
    if (!mayBecome(current, each.to)) return toast(`It is ${current.state} already.`);
    const changed = await attempt(button, () => step(id, each, remark.value.trim()));
    if (!changed) return;
    remark.value = "";
    show(changed);
    toast(`It is ${changed.state} now.`);
  }

  return {
    title: "Request",
    about: ["requests", "messages"],
    nodes: [
      element("p", { class: "back" }, element("a", { href: "#/requests" }, "← Requests")),
      element("div", { class: "split" }, element("div", {}, place.head, place.ways, place.steps, place.about), element("div", { class: "card" }, desk.node)),
      place.history, place.messages, keys(id, neighbours, change, desk),
    ],
    refresh: async (signal) => show(await call(`requests/${encodeURIComponent(id)}`, { signal })),
  };
}

/** Who asked, by whatever is known of them. */
export function whose(request) {
  return request.name || request.email || request.phone || "somebody unknown";
}

function head(request) {
  return [
    element("div", { class: "heading" }, element("h1", {}, `${request.topic || "No topic"} · ${whose(request)}`), word(request.state)),
    element("blockquote", { class: "question" }, request.question || "(no question was told)"),
  ];
}

function about(request) {
  return facts([
    ["Customer", request.user_id ? element("a", { href: `#/users/${request.user_id}` }, whose(request)) : "nothing was told to know them by"],
    ["Mail", request.email],
    ["Phone", request.phone],
    ["Asked", time(request.created_at, { exact: true })],
    ["Came from", request.source],
    ["Topic", request.topic_unknown ? "in no route: the one without a topic took it" : null],
    ["Id", element("code", {}, request.id)],
  ]);
}

/** Links that open the mail program, the phone or the chat, the usual one first. */
function waysToReply(told) {
  const ways = told.filter(({ href }) => SAFE.test(href));
  if (!ways.length) return element("p", { class: "quiet" }, "There is no address to answer to: neither mail nor phone was told.");
  return element("p", { class: "actions" }, ways.map(({ label, href }, at) => element("a", {
    class: at ? "button" : "button main", href, target: href.startsWith("https:") ? "_blank" : null, rel: "noreferrer noopener",
  }, label)));
}

function steps(request, change, remark) {
  if (!may("operator")) return null;
  const left = STEPS.filter((each) => mayBecome(request, each.to));
  if (!left.length) return element("p", { class: "quiet" }, "It is closed: nothing more is to be done.");
  return element("div", { class: "steps" },
    element("label", { for: "remark" }, "A word with it ", element("span", { class: "quiet" }, "(may stay empty; channels that follow the question are told)")), remark,
    element("p", { class: "actions" }, left.map((each) => element("button", {
      type: "button", click: (event) => change(each, event.currentTarget),
    }, each.label))));
}

/** The desk's own: who looks after the request, and a note that customers and channels never see. */
function deskOf(id, changed) {
  const own = may("operator");
  const assignee = element("input", { id: "assignee", type: "text", maxlength: "100", autocomplete: "off", spellcheck: "false", placeholder: "nobody", readonly: !own });
  const note = element("textarea", { id: "note", rows: "5", maxlength: "2000", placeholder: "Only your team sees it", readonly: !own });
  const boxes = { assignee, note };
  const other = element("div", { role: "status" }); // what somebody else has written meanwhile
  for (const box of [assignee, note]) box.addEventListener("input", () => { box.edited = true; });

  async function keep(button, box, work, done) {
    const request = await attempt(button, work);
    if (!request) return;
    box.edited = false;
    other.replaceChildren();
    changed(request);
    toast(done);
  }
  const give = (button, name) => keep(button, assignee, () => assign(id, name), name ? `Assigned to ${name}.` : "Assigned to nobody.");
  const take = (button = null) => give(button, whoami());
  const keepNote = (button) => keep(button, note, () => annotate(id, note.value.trim(), note.seen).catch(meanwhile), "The note is kept.");

  /** Somebody else has kept another note while this one was written: both are shown, and one of them is chosen. */
  function meanwhile(error) {
    if (error.present === undefined) throw error;
    const choose = (label, act) => element("button", { type: "button", class: "small", click: act }, label);
    other.replaceChildren(
      element("p", {}, element("b", {}, "Somebody has changed the note meanwhile."), " It says now:"),
      element("blockquote", { class: "question" }, error.present || "(nothing)"),
      element("p", { class: "actions" },
        choose("Keep mine in its place", (event) => { note.seen = error.present; keepNote(event.currentTarget); }),
        choose("Take theirs", () => {
          Object.assign(note, { value: error.present, seen: error.present, edited: false });
          other.replaceChildren();
          note.focus();
        })));
  }
  const submit = (work) => (event) => {
    event.preventDefault();
    if (own) work(event.submitter); // Enter sends a form whose fields can only be read, too
  };
  const node = [
    element("form", { submit: submit((button) => give(button, assignee.value.trim())) },
      element("label", { for: "assignee" }, "Assignee"), assignee, own && element("p", { class: "actions" }, element("button", { class: "small" }, "Assign"),
        whoami() && element("button", { type: "button", class: "small", click: (event) => take(event.currentTarget) }, "Take it"))),
    element("form", { submit: submit(keepNote) },
      element("label", { for: "note" }, "Note"), note, other, own && element("p", { class: "actions" }, element("button", { class: "small" }, "Save the note"))),
  ];
  return {
    node,
    take,
    focusNote: () => note.focus(),
    show(request) {
      for (const [name, box] of Object.entries(boxes)) {
        const value = request[name] ?? "";
        if (box.edited) continue;
        box.seen = value;
        if (box.value !== value) box.value = value;
      }
    },
  };
}

/** From the question on, oldest first. */
function history({ changes, edits, created_at: asked }) {
  const all = [
    { at: asked, what: word("asked") },
    ...changes.map(({ at, by, state, note }) => ({ at, by, what: word(state), quoted: note })),
    ...edits.map(({ at, by, field, value }) => ({ at, by, ...(field === "note" ? noted(value) : { what: `assigned to ${value || "nobody"}` }) })),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return section("What has happened", element("ol", { class: "history" }, all.map(({ at, what, by, quoted }) => element("li", {},
    time(at), element("span", {}, what, by && element("span", { class: "quiet" }, ` by ${by}`), quoted && element("q", {}, quoted))))));
}

function noted(value) {
  return value ? { what: "noted", quoted: value } : { what: "the note was taken away" };
}

function keys(id, neighbours, change, desk) {
  const at = neighbours.indexOf(id);
  const go = (to) => { if (to) location.hash = `#/requests/${to}`; };
  return keyLegend([
    at >= 0 && { key: "j", label: "next", act: () => go(neighbours[at + 1]) },
    at > 0 && { key: "k", label: "previous", act: () => go(neighbours[at - 1]) },
    { key: "u", label: "back to the list", act: () => { location.hash = "#/requests"; } },
    ...(may("operator") ? [
      ...STEPS.map((each) => ({ key: each.key, label: each.label.toLowerCase(), act: () => change(each, null) })),
      { key: "n", label: "note", act: desk.focusNote },
      whoami() && { key: "m", label: "mine", act: () => desk.take() },
    ] : []),
  ].filter(Boolean));
}
