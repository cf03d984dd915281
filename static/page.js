/**
 * The shop's page: asks the server what the shop has set up, then opens Landbot's widget or the built-in demo chat,
 * or says plainly that neither is there.
 */

import { element } from "./element.js";
import { captureOrigin } from "./origin.js";
import { takeWelcome, tellOpened } from "./welcome.js";

const chat = document.getElementById("chat");

/** Shows one plain statement where the chat would be. */
function say(title, text, ...more) {
  chat.replaceChildren(element("div", { class: "state plain", role: "status" }, element("b", {}, title), element("p", {}, text), more));
}

/** What the server says about this page. */
async function settings() {
  const response = await fetch("/page.json", { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`page.json answered ${response.status}`);
  return response.json();
}

/** Puts the shop's name wherever the page mentions it. */
function nameShop(shop) {
  document.title = shop;
  for (const place of document.querySelectorAll("[data-shop]")) place.textContent = shop;
}

async function open() {
  const welcome = takeWelcome();
  const origin = captureOrigin();
  const page = await settings();
  if (page.shop) nameShop(page.shop);
  if (page.landbot) {
    const { openLandbot } = await import("./landbot.js");
    await openLandbot(chat, page.landbot, origin, say, () => tellOpened(welcome));
  } else if (page.demo) {
    const { openDemo } = await import("./demo.js");
    openDemo(chat, page, origin);
    tellOpened(welcome);
  } else {
    say("The chat is not connected yet", "We are still setting it up. Please come back a little later.");
  }
}

open().catch((error) => {
  console.warn("The chat could not be opened:", error);
  say("The chat could not be opened", "The connection failed. Nothing is lost: please try again in a moment.",
    element("button", { type: "button", class: "main", click: () => location.reload() }, "Try again"));
});
