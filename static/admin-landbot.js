/** Landbot: what to paste into its builder, what is still to do, and whether a call has arrived. */

import { call } from "./admin-api.js";
import { pasteBlock } from "./admin-blocks.js";
import { copyButton } from "./admin-controls.js";
import { fill, heading, section, time } from "./admin-parts.js";
import { element } from "./element.js";

/** What the Webhook blocks do, by the names of the webhooks. */
const BLOCKS = { user: "The block that registers the customer", topic: "The block that carries the question" };

/** `#/landbot`. */
export function landbot() {
  const opened = Date.now();
  const place = { live: element("div", { role: "status" }), checklist: element("div"), hooks: element("div") };
  return {
    title: "Landbot",
    about: ["webhooks"],
    nodes: [
      heading("Landbot"),
      element("p", { class: "lead" }, "Your bot calls two webhooks: one registers the customer, one carries the question. Copy what stands here into its Webhook blocks, press ",
        element("b", {}, "Test the request"), " there, and watch it arrive here."),
      place.live, place.checklist, place.hooks,
    ],
    async refresh(signal) {
      const { public_url: address, hooks, checklist, prompt, last_webhook: last } = await call("landbot", { signal });
      fill(place.live, last, () => liveCheck(last, opened));
      fill(place.checklist, checklist, () => section("Still to do", toDo(checklist)));
      fill(place.hooks, [address, hooks, prompt], () => [
        section("What to paste", !address && element("p", { class: "warn" }, "Landbot calls only public https:// addresses: set [server] public_url, and the addresses below are filled in.")),
        hooks.map(hookCard),
        prompt && section("Or have it built", element("p", { class: "quiet" }, "If your account has Landbot’s “Build it for me”, paste this description of the whole bot there."), pasteBlock("Description", prompt)),
      ]);
    },
  };
}

/** Whether a call has arrived, and what became of it. One that came while somebody watches is greeted. */
function liveCheck(last, opened) {
  if (!last) {
    return element("div", { class: "card live waiting" }, element("b", {}, "Waiting for the first webhook…"),
      element("p", { class: "quiet" }, "Nothing has arrived since the server started. This changes by itself as soon as the bot calls."));
  }
  const taken = last.http_status < 300;
  const now = Date.parse(last.at) > opened;
  return element("div", { class: taken ? "card live taken" : "card live refused" },
    element("b", {}, taken ? (now ? "It has arrived." : "A webhook has arrived.") : "A call arrived and was refused."),
    element("p", {}, time(last.at), " · ", element("code", {}, last.path), ` · ${last.http_status} ${last.status ?? ""}`),
    element("p", {}, element("a", { href: "#/inbox" }, taken ? "See what was understood of it" : "See what came, and why it was refused")));
}

function toDo(checklist) {
  const left = checklist.filter(({ done }) => !done).length;
  return [
    element("p", { class: "quiet" }, left === 0 ? "Everything is done." : `${checklist.length - left} of ${checklist.length} are done.`),
    element("ul", { class: "checklist" }, checklist.map(({ what, done, hint }) => element("li", { class: done ? "done" : "open" },
      element("span", { class: "mark", "aria-hidden": "true" }, done ? "✓" : "○"),
      element("div", {}, element("b", {}, element("span", { class: "unseen" }, done ? "Done: " : "To do: "), what), !done && hint && element("p", { class: "quiet" }, hint))))),
  ];
}

/** One Webhook block, in the order in which Landbot's builder asks. */
function hookCard({ name, method, url, headers, body }) {
  const line = (label, value, what) => element("div", { class: "paste-line" }, element("span", { class: "quiet" }, label), element("code", {}, value), copyButton(value, what));
  return element("section", { class: "card hook" }, element("h3", {}, BLOCKS[name] ?? name), element("div", {}, line(method, url, "Copy the address")),
    element("div", {}, element("b", {}, "Headers"), Object.entries(headers).map(([label, value]) => line(label, value, `Copy ${label}`))),
    pasteBlock("Body", body, BLOCKS[name] ?? name));
}
