/**
 * Reports: who is told where customers came from, and when; what a report says now, and sending one at once. Which report
 * is looked at, and for which channel, is in the address.
 */

import { call, may } from "./admin-api.js";
import { attempt, mailFrame, readAgain, tabs } from "./admin-blocks.js";
import { ask, segments, toast } from "./admin-controls.js";
import { address, facts, fill, fixedTable, heading, nothing, row, section, time } from "./admin-parts.js";
import { element } from "./element.js";

const CADENCES = { daily: "Day", weekly: "Week", monthly: "Month" };
const PACE = 10_000;

/** `#/origins/reports`. */
export function reports(query) {
  const cadence = query.get("cadence") in CADENCES ? query.get("cadence") : "weekly";
  const channel = query.get("channel") ?? undefined;
  const place = { schedule: element("div"), preview: element("div") };
  return {
    title: "Reports",
    about: ["messages", "users", "requests"],
    pace: PACE,
    nodes: [
      heading("Reports", element("a", { class: "button", href: "#/origins" }, "All origins")),
      element("p", { class: "lead" }, "Who does not look in here can be told where customers came from: each morning, each week or each month, over any channel."),
      place.schedule,
      segments("Which report", Object.entries(CADENCES), cadence, (value) => address("origins/reports", { cadence: value === "weekly" ? undefined : value })),
      place.preview,
    ],
    async refresh(signal) {
      const asked = channel ? `?${new URLSearchParams({ channel })}` : "";
      const [schedule, preview] = await Promise.all([
        call("reports", { signal }),
        call(`reports/${cadence}/preview${asked}`, { signal }).catch((error) => {
          if (error.status !== 409 && error.status !== 400) throw error;
          return { why: error.message };
        }),
      ]);
      fill(place.schedule, schedule, () => scheduleTable(schedule));
      fill(place.preview, [preview, schedule], () => content(preview, schedule.items.find((item) => item.cadence === cadence)));
    },
  };
}

/** Who is told when; how to begin, as long as nobody is. */
function scheduleTable({ items, at, timezone }) {
  const wanted = items.filter(({ channels }) => channels.length);
  if (!wanted.length) {
    return nothing("Nobody is told yet.", element("p", {}, "Name the channels in ", element("code", {}, "config.toml"), " and start umishop again:"),
      element("pre", { tabindex: "0" }, '[reports]\nweekly   = ["email.sales"]\nat       = "08:00"\ntimezone = "Europe/Madrid"'));
  }
  return [
    fixedTable("Who is told", ["Report", "Over", "Next", "Told last"], wanted.map(({ cadence, channels, next_at: next, told_at: told }) => row([
      ["name", element("a", { href: address("origins/reports", { cadence }) }, cadence)],
      ["note", channels.join(", ")],
      ["next", next && time(next, { exact: true })],
      ["told", told ? time(told) : element("span", { class: "quiet" }, "not yet")],
    ]))),
    element("p", { class: "quiet after" }, `At ${at}, by the clocks of ${timezone}. `, element("a", { href: "#/messages?purpose=report" }, "Every report that was sent")),
  ];
}

/** What it says now, and a button that sends it. */
function content(preview, { cadence, channels }) {
  if (preview.why) return element("p", { class: "warn" }, preview.why);
  const { channel, subject, text, html, source, empty, complete } = preview;
  const pre = (name, value) => element("pre", { tabindex: "0", role: "region", "aria-label": name }, value);
  const panels = [html && { name: "HTML", node: mailFrame(html) }, { name: "Text", node: pre("Text", text) }, { name: "Source", node: pre("Source", source) }].filter(Boolean);
  const send = element("button", { type: "button", class: "main", click: (event) => sendNow(event.currentTarget, cadence, channels) }, "Send it now…");
  return section("What it says now",
    empty && element("p", { class: "note-line" }, "Nobody registered and nobody asked: such a report only comes by itself if ", element("code", {}, "[reports] empty = true"), "."),
    !complete && element("p", { class: "note-line" }, "Customers from before the last upgrade are still being counted; by itself it waits for that."),
    facts([["For", channel], ["Subject", subject]]), tabs("What it says", panels),
    may("operator") && channels.length > 0 && element("p", { class: "actions after" }, send));
}

async function sendNow(button, cadence, channels) {
  const sure = await ask({
    title: "Send this report now?", confirm: "Send it",
    content: element("p", {}, `It goes to ${channels.join(", ")}, also if it was sent already.`),
  });
  if (!sure) return;
  const sent = await attempt(button, () => call(`reports/${cadence}/send`, { method: "POST" }));
  if (!sent) return;
  toast(sent.messages.length === 1 ? "It is on its way." : `It is on its way over ${sent.messages.length} channels.`);
  readAgain(button);
}
