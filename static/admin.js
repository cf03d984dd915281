/**
 * The console's frame: lets the operator in, shows the page that the address names, and keeps it fresh while
 * somebody looks at it.
 *
 * A page is a function `(query, id) => ({ title, nodes, refresh(signal), about, pace })`: what it shows, how it is read,
 * which changes concern it (see `admin-live.js`; all, if it does not say) and how many milliseconds must lie between two
 * readings. Every filter of a page is in the address: what changes one goes there.
 */

import { session, signOut } from "./admin-api.js";
import { isLive, listen, onChange } from "./admin-live.js";
import { enter, isLoginLink, loginForm } from "./admin-login.js";
import { tick } from "./admin-parts.js";
import { element } from "./element.js";
import { drawing } from "./admin-icons.js";

/** The pages in the order of the navigation; the first one is where the console opens. A page is loaded when it is needed. */
const PAGES = [
  { path: "overview", name: "Overview", open: async () => (await import("./admin-overview.js")).overview() },
  { path: "origins", name: "Origins", open: async (query, id) => (id === "reports" ? (await import("./admin-reports.js")).reports(query) : (await import("./admin-origins.js")).origins(query)) },
  { path: "users", name: "Users", open: async (query, id) => (await import("./admin-users.js")).users(query, id) },
  { path: "requests", name: "Requests", open: async (query, id) => (await import("./admin-requests.js")).requests(query, id) },
  { path: "messages", name: "Messages", open: async (query, id) => (await import("./admin-messages.js")).messages(query, id) },
  { path: "channels", name: "Channels", open: async (query, id) => (await import("./admin-channels.js")).channels(query, id) },
  { path: "inbox", name: "Inbox", open: async (query) => (await import("./admin-inbox.js")).inbox(query) },
  { path: "landbot", name: "Landbot", open: async () => (await import("./admin-landbot.js")).landbot() },
  { path: "settings", name: "Settings", open: async (query, id) => (await import("./admin-settings.js")).settings(query, id) },
];

const PACE = 1_000;
const PATIENCE = 400; // how long a new page may take to read before it is shown as far as it is
const place = document.getElementById("view");
const menu = document.getElementById("menu");
const pages = document.getElementById("pages");
const tabs = document.getElementById("tabs");
const trouble = document.getElementById("trouble");
const leave = document.getElementById("leave");

let view = null;
let shown = ""; // the address of what is on the screen
let unwatch = () => {};
let reading = null; // the AbortController of the refresh under way
let again = false; // something changed while it was under way
let last = 0; // when the last one ended
let timer = 0;

/** Lets in whoever may come in, and shows the page; asks everybody else to sign in. */
async function start(options) {
  const why = await enter();
  if (session()) show(options);
  else login(why);
}

/** What the address names: the page, the id of one thing on it, and its filters. */
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id] = path.split("/");
  const page = PAGES.find((page) => page.path === name) ?? PAGES[0];
  return { page, id: page.path === name && id ? decodeURIComponent(id) : undefined, query: new URLSearchParams(query) };
}

/** Shows the page that the address names. */
async function show({ focus = true } = {}) {
  if (isLoginLink()) return start();
  if (!session()) return login();
  const address = location.hash;
  const { page, id, query } = route();
  const same = view !== null && shown.split("?")[0] === address.split("?")[0];
  unwatch();
  mark(page);
  closeMenu();
  let next;
  try {
    next = await page.open(query, id);
  } catch (error) {
    return fail(error);
  }
  if (location.hash !== address || !session()) return; // somebody was faster
  view = next;
  shown = address;
  listen(true);
  unwatch = onChange(view.about ?? [], changed);
  trouble.hidden = true;
  place.setAttribute("aria-busy", "true");
  await Promise.race([refresh(), new Promise((resolve) => { setTimeout(resolve, PATIENCE); })]);
  if (view === next) put(next, { same, focus });
}

/** Puts the page on the screen. Who only changed a filter stays where they are. */
function put({ title, nodes }, { same, focus }) {
  const held = same && place.contains(document.activeElement) ? document.activeElement.id : "";
  document.title = `${title} · Console`;
  place.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  place.removeAttribute("aria-busy");
  if (!same) scrollTo(0, 0);
  const target = (held && document.getElementById(held)) || (focus && (place.querySelector("h1") ?? place));
  if (target && target.tabIndex < 0) target.tabIndex = -1; // a heading is read aloud, but no stop of the Tab key
  if (target) target.focus({ preventScroll: true });
}

/** Marks the page in the navigation. */
function mark(page) {
  for (const tab of tabs.children) {
    if (tab.hash === `#/${page?.path}`) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  pages.hidden = menu.hidden = !page;
}

/** Something that the page shows may have changed. */
function changed() {
  if (reading) again = true;
  else timer ||= setTimeout(refresh, Math.max(0, last + (view?.pace ?? PACE) - performance.now()));
}

/** Reads the page's data again. */
async function refresh() {
  clearTimeout(timer);
  timer = 0;
  reading?.abort();
  if (!view) return;
  const mine = reading = new AbortController();
  try {
    await view.refresh(mine.signal);
    if (!mine.signal.aborted) trouble.hidden = true;
  } catch (error) {
    if (!mine.signal.aborted) fail(error);
  }
  if (mine.signal.aborted) return;
  reading = null;
  last = performance.now();
  if (again) changed();
  again = false;
}

function fail(error) {
  if (error.status === 401) return login("Your session has ended. Please sign in again.");
  if (error.status === undefined) console.error(error);
  const text = error.status === undefined ? "The console could not show this. Reloading the page may help." : error.message;
  if (trouble.hidden || trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = false;
}

/** Asks who is there. */
function login(why = "") {
  view = null;
  reading?.abort();
  clearTimeout(timer);
  listen(false);
  mark(null);
  trouble.hidden = true;
  document.querySelector("dialog[open]")?.close();
  document.title = "Sign in · Console";
  place.replaceChildren(loginForm(why, show));
  place.querySelector("input").focus();
}

/** Signs out; a session that the server did not end is told of. */
async function signOutHere() {
  let why = "";
  await signOut().catch((error) => { why = error.status === 401 ? "" : error.message; });
  login(why);
}

function closeMenu() {
  menu.setAttribute("aria-expanded", "false");
}

/** How fresh the page is, in a word. */
function tellFreshness() {
  const live = document.getElementById("live");
  const text = isLive() ? "live" : "every 3 s";
  if (live.textContent === text) return;
  live.textContent = text;
  live.className = isLive() ? "word delivered" : "word";
  live.title = isLive() ? "Changes appear the moment they happen." : "The page is read again every three seconds.";
}

tabs.append(...PAGES.map(({ path, name }) => element("a", { href: `#/${path}` }, drawing(path), name)));
menu.addEventListener("click", () => menu.setAttribute("aria-expanded", String(menu.getAttribute("aria-expanded") !== "true")));
document.getElementById("side").addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || menu.getAttribute("aria-expanded") !== "true") return;
  closeMenu();
  menu.focus();
});
leave.addEventListener("click", signOutHere);
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); place.focus(); });
addEventListener("hashchange", () => show());
addEventListener("refresh", refresh); // a page's own filters changed
addEventListener("unhandledrejection", (event) => { event.preventDefault(); fail(event.reason); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
setInterval(() => {
  if (document.hidden) return;
  tick();
  tellFreshness();
}, 1_000);
start({ focus: false });
