/**
 * The console's frame: lets the operator in, shows the view that the address names, and keeps it fresh while
 * somebody looks at it.
 */

import { call, currentToken, keepToken } from "./admin-api.js";
import { inbox } from "./admin-inbox.js";
import { messageDetail, messageList } from "./admin-messages.js";
import { tick } from "./admin-parts.js";
import { userDetail, userList } from "./admin-users.js";
import { element } from "./element.js";

const FRESH = 3_000;
const place = document.getElementById("view");
const tabs = document.getElementById("tabs");
const trouble = document.getElementById("trouble");
const leave = document.getElementById("leave");

let view = null; // { title, nodes, refresh(signal) }
let reading = null; // the AbortController of the refresh under way
let timer;

/** A token in the address (`#token=…`, as the server prints it) is kept and taken out of the address bar. */
function takeTokenFromAddress() {
  const found = tokenIn(location.hash);
  if (!found) return;
  keepToken(found);
  history.replaceState(null, "", "#/messages");
}

/** The token in a login link or in its fragment; the empty text when there is none. */
function tokenIn(text) {
  const found = /#token=([^&\s]+)/.exec(text);
  try {
    return found ? decodeURIComponent(found[1]) : "";
  } catch {
    return found[1];
  }
}

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [section, id] = path.split("/");
  if (section === "users") return id ? userDetail(id) : userList(new URLSearchParams(query));
  if (section === "inbox") return inbox();
  return id ? messageDetail(id) : messageList(new URLSearchParams(query));
}

/** Shows the view that the address names. */
function show({ focus = true } = {}) {
  takeTokenFromAddress();
  if (!currentToken()) return login();
  view = route();
  frame(view.title);
  place.replaceChildren(...view.nodes.flat(Infinity).filter(Boolean));
  scrollTo(0, 0);
  if (focus) place.focus({ preventScroll: true });
  refresh();
}

function frame(title) {
  document.title = `${title} · Console`;
  const here = location.hash.split(/[/?]/)[1] || "messages";
  for (const tab of tabs.children) {
    if (tab.hash === `#/${here}`) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  tabs.hidden = leave.hidden = !view;
  trouble.hidden = true;
}

/** Reads the view's data again, and again a little later, as long as the page is visible. */
async function refresh() {
  clearTimeout(timer);
  reading?.abort();
  if (!view) return;
  const mine = reading = new AbortController();
  try {
    await view.refresh(mine.signal);
    if (!mine.signal.aborted) trouble.hidden = true;
  } catch (error) {
    if (!mine.signal.aborted) fail(error);
  }
  if (!mine.signal.aborted && view && !document.hidden) timer = setTimeout(refresh, FRESH);
}

function fail(error) {
  if (error.status === 401) {
    keepToken("");
    return login("This token is not accepted. Perhaps it was replaced.");
  }
  if (error.status === undefined) console.error(error);
  const text = error.status === undefined ? "The console could not show this. Reloading the page may help." : error.message;
  if (trouble.hidden || trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = false;
}

/** Asks for the token; the login link as printed by the server is welcome too. */
function login(why = "") {
  view = null;
  reading?.abort();
  clearTimeout(timer);
  frame("Sign in");
  const box = element("input", { id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": "why" });
  const wrong = element("p", { id: "why", class: "bad", role: "alert" }, why);
  const submit = async (event) => {
    event.preventDefault();
    keepToken(tokenIn(box.value) || box.value.trim());
    try {
      await call("messages?limit=1");
      show();
    } catch (error) {
      keepToken("");
      wrong.textContent = error.status === 401 ? "This token is not accepted." : error.message;
      box.focus();
    }
  };
  place.replaceChildren(element("form", { class: "login", submit }, element("h1", {}, "Sign in"),
    element("p", { class: "quiet" }, "Open the login link that the server printed when it first started, or paste the link or its token here."),
    element("label", { for: "token" }, "Token or login link"), box, wrong, element("button", { class: "main" }, "Sign in")));
  box.focus();
}

leave.addEventListener("click", () => { keepToken(""); login(); });
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); place.focus(); });
addEventListener("hashchange", () => show());
addEventListener("refresh", refresh); // a view's own filters changed
addEventListener("unhandledrejection", (event) => { event.preventDefault(); fail(event.reason); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
setInterval(() => { if (!document.hidden) tick(); }, 1_000);
show({ focus: false });
