/**
 * Landbot's own widget in the shop's page, with the visitor's origin handed over before the bot's first block runs.
 *
 * Everything here can fail outside our reach (a blocker, a network, a bot that was deleted), so every step has a time
 * limit and a sentence for the visitor.
 */

import { element } from "./element.js";

const WIDGET = "https://cdn.landbot.io/landbot-3/landbot-3.0.0.mjs";
const PATIENCE = 12_000;
const DISPLAYS = { livechat: "Livechat", popup: "Popup", container: "Container", fullpage: "Fullpage" };
const CORNER = ["The chat is in the corner", "Look for the bubble at the bottom of this page."];

/**
 * Loads the widget and opens it as the shop chose. `say(title, text, …more)` shows a statement where the chat would be;
 * `opened()` is called once the widget is ready.
 */
export async function openLandbot(chat, landbot, origin, say, opened) {
  const display = landbot.display in DISPLAYS ? landbot.display : "livechat";
  try {
    await within(PATIENCE, import(WIDGET));
    const options = { configUrl: landbot.config_url, customData: origin };
    if (display === "container") options.container = `#${makeRoom(chat, landbot.height).id}`;
    const widget = new globalThis.Landbot[DISPLAYS[display]](options);
    if (display === "fullpage") document.getElementById("shop").hidden = true;
    else if (display !== "container") say(...CORNER, opener(widget));
    watch(widget, chat, display, opened);
  } catch (error) {
    console.warn("Landbot's widget did not load:", error);
    sorry(say);
  }
}

/** A box of a definite height: without one the widget is there but invisible. */
function makeRoom(chat, height) {
  const room = element("div", { id: "landbot" });
  chat.replaceChildren(room);
  if (CSS.supports("height", height)) {
    const sheet = new CSSStyleSheet(); // a constructed sheet is allowed where a style attribute is not
    sheet.insertRule("#landbot {}");
    sheet.cssRules[0].style.setProperty("height", height);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }
  return room;
}

function opener(widget) {
  if (typeof widget.open !== "function") return null;
  return element("button", { type: "button", class: "main", click: () => widget.open() }, "Open the chat");
}

/** Says so when the widget does not report itself ready in time; a late one takes the words back. Calls `opened` when it is. */
function watch(widget, chat, display, opened) {
  if (typeof widget.onLoad !== "function") {
    opened(); // it says nothing of itself
    return;
  }
  const notice = element("p", { class: "state", role: "status" }, "The chat is taking long to open. If it does not appear, please reload this page.");
  const timer = setTimeout(() => {
    if (display === "fullpage") document.getElementById("shop").hidden = false;
    chat.append(notice);
  }, PATIENCE);
  widget.onLoad(() => {
    clearTimeout(timer);
    notice.remove();
    if (display === "fullpage") document.getElementById("shop").hidden = true;
    opened();
  });
}

function sorry(say) {
  say("The chat could not be loaded", "Something between here and the chat is in the way: the network, or an extension that blocks it.",
    element("button", { type: "button", class: "main", click: () => location.reload() }, "Try again"));
}

/** The promise, or a failure after so many milliseconds. */
function within(milliseconds, promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${milliseconds / 1000} s`)), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
