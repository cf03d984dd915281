/** Channels: how each way to reach people is doing, what is wrong with it and how to mend it; test, pause, resume. */

import { call, may } from "./admin-api.js";
import { attempt, readAgain } from "./admin-blocks.js";
import { ask, toast } from "./admin-controls.js";
import { address, count, duration, facts, fill, heading, liveList, reconcile, section, table, time, word } from "./admin-parts.js";
import { messageRow, COLUMNS } from "./admin-messages.js";
import { element } from "./element.js";

/** What to call a channel's condition, and which colour it has. */
const CONDITIONS = {
  working: ["working", "delivered"],
  in_trouble: ["in trouble", "dead"],
  paused: ["paused", "held"],
  unknown: ["not configured", "held"],
};

const tests = new Map(); // what the last test of a channel said, for as long as the console is open

/** `#/channels` and `#/channels/{address}`. */
export function channels(_query, id) {
  return id ? channelDetail(id) : channelList();
}

/** A channel with what the console knows about it besides; `id` is what rows are told apart by. */
function known(channel) {
  return { ...channel, id: channel.address, test: tests.get(channel.address) };
}

function channelList() {
  const cards = element("ul", { class: "cards" });
  const sum = element("p", { class: "quiet" });
  let items = [];
  const again = () => reconcile(cards, items.map(known), (channel) => element("li", { class: `card channel-card ${channel.condition}` }, channelCard(channel, again)));
  return {
    title: "Channels",
    about: ["channels", "messages"],
    nodes: [heading("Channels"), sum, cards],
    async refresh(signal) {
      ({ items } = await call("channels", { signal }));
      const trouble = items.filter((channel) => channel.condition !== "working").length;
      sum.textContent = trouble === 0 ? `All ${items.length} are working.` : `${trouble} of ${items.length} ${trouble === 1 ? "wants" : "want"} your attention.`;
      again();
    },
  };
}

function channelDetail(id) {
  const head = element("div");
  const { node, rows } = table("Messages", COLUMNS);
  const list = liveList({ path: "messages", filters: { channel: id }, frame: node, place: rows, make: messageRow, empty: [element("b", {}, "Nothing went over it yet.")] });
  async function refresh(signal) {
    const [channel] = await Promise.all([call(`channels/${encodeURIComponent(id)}`, { signal }), list.refresh(signal)]);
    show(channel);
  }
  const show = (channel) => fill(head, known(channel), (all) => element("div", { class: `card channel-card ${channel.condition}` }, channelCard(all, () => show(channel), "h1")));
  return {
    title: id,
    about: ["channels", "messages"],
    nodes: [element("p", { class: "back" }, element("a", { href: "#/channels" }, "← Channels")), head, section("Messages", list.nodes)],
    refresh,
  };
}

/** All about one channel; `again` shows it anew, `level` is its heading. */
function channelCard(channel, again, level = "h2") {
  const { address: name, condition, trouble, paused_at: paused, oldest_due: oldest } = channel;
  const [label, colour] = CONDITIONS[condition] ?? [condition, ""];
  const to = (state) => address("messages", { channel: name, state });
  const heap = (state) => element("div", {}, element("dt", {}, state), element("dd", {}, channel[state] >= 10_000 ? element("a", { href: to(state) }, "10,000 or more") : count(channel[state], to(state))));
  return [
    element("div", { class: "heading" }, element(level, {}, level === "h1" ? name : element("a", { href: `#/channels/${name}` }, name)), element("span", { class: `word ${colour}` }, label)),
    element("dl", { class: "heaps" }, ["pending", "sending", "held", "dead"].map(heap)),
    oldest && channel.pending > 0 && element("p", { class: "quiet" }, "The longest waiting message is due ", time(oldest), "."),
    trouble && troubleBox(trouble),
    paused && element("p", {}, "Paused ", time(paused), ". Messages gather; those that wait too long go to its fallback, if it has one."),
    condition === "unknown" && element("p", {}, "Messages wait for it, and the configuration does not name it any more. Cancel them, or put it back."),
    condition !== "unknown" && may("operator") && buttons(channel, again),
    channel.test && testBox(channel.test),
  ];
}

/** What is wrong, in the order in which somebody asks: what, how to mend it, since when, what happens next. */
function troubleBox({ reason, hint, since, probe_at: probe, failures, lasting }) {
  return element("div", { class: "trouble-box" },
    element("p", { class: "bad" }, reason),
    hint && element("p", {}, element("b", {}, "To mend it: "), hint),
    element("p", { class: "quiet" }, "Since ", time(since), `, ${failures === 1 ? "one failure" : `${failures} failures in a row`}. `,
      lasting ? "It will not mend by itself. " : "", "The next message tries it", Date.parse(probe) > Date.now() && [" ", time(probe)], "."));
}

function buttons(channel, again) {
  const paused = channel.condition === "paused";
  const act = async (verb, button) => {
    if (verb === "pause" && !await ask({
      title: `Pause ${channel.address}?`, confirm: "Pause it",
      content: element("p", {}, "Nothing is sent over it until you resume it. Messages gather in the outbox and are not lost."),
    })) return;
    const changed = await attempt(button, () => call(`channels/${encodeURIComponent(channel.address)}/${verb}`, { method: "POST" }));
    if (!changed) return;
    toast(verb === "pause" ? `${channel.address} is paused.` : `${channel.address} sends again.`);
    readAgain(button);
  };
  const button = (verb, label) => element("button", { type: "button", class: "small", click: (event) => act(verb, event.currentTarget) }, label);
  return element("p", { class: "actions" },
    element("button", { type: "button", class: "small", click: (event) => test(channel.address, event.currentTarget, again) }, "Send a test"),
    channel.condition === "in_trouble" && button("resume", "Try again now"),
    paused ? button("resume", "Resume") : button("pause", "Pause"));
}

/** Sends a test message; a channel that writes to customers asks to whom. */
async function test(name, button, again) {
  const send = (body) => call(`channels/${encodeURIComponent(name)}/test`, { method: "POST", body });
  const said = await attempt(button, () => send({}).catch(async (error) => {
    if (error.status !== 400) throw error;
    const given = await askTo(name);
    return given && send(given);
  }));
  if (!said) return;
  tests.set(name, { ...said, at: new Date().toISOString() });
  const well = said.outcome === "delivered" || said.outcome === "captured";
  const kept = said.outcome === "captured" ? `The test over ${name} was kept, not sent: this is the sandbox.` : null;
  toast(kept ?? (well ? `The test over ${name} went well.` : `The test over ${name} failed.`), { bad: !well });
  again();
}

/** To whom a test goes: `{ to }`, or null. */
function askTo(name) {
  return ask({ title: `To whom shall ${name} write?`, confirm: "Send the test", content: [
    element("p", { class: "quiet" }, "It writes to customers and has no address of its own. Name one at which you can look: a mail address, a phone number, or Landbot’s number of a customer."),
    element("label", {}, "An address of your own", element("input", { name: "to", required: true, autocomplete: "off", spellcheck: "false" })),
  ] });
}

function testBox({ outcome, reference, error, hint, text, took_ms: took, at }) {
  return element("div", { class: "test-box" },
    element("p", {}, "Test ", time(at), ": ", word(outcome), took !== undefined && element("span", { class: "quiet" }, ` in ${duration(took)}`)),
    facts([["Reference", reference && element("code", {}, reference)], ["What happened", error && element("span", { class: "bad" }, error)], ["To mend it", hint]]),
    text && element("details", {}, element("summary", {}, outcome === "captured" ? "What would have been sent" : "What was sent"), element("pre", { tabindex: "0" }, text)));
}
