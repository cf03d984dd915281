/**
 * What changes on the server, as soon as it says so: one stream of events for the whole console. Where there is none,
 * because the server has none or a proxy swallows it, everything counts as changed every few seconds.
 *
 * A browser opens few connections to one server, so a tab that nobody looks at lets its stream go.
 */

const POLL = 3_000;
const TRY_AGAIN = 60_000;

const watchers = new Set();
let wanted = false; // whether anybody is signed in
let stream = null;
let flowing = false;
let poll;
let again;

/**
 * Calls `refresh` whenever one of `about` (messages, requests, users, channels, inbox) may have changed; an empty list
 * means anything. The answer ends it.
 */
export function onChange(about, refresh) {
  const watcher = { about, refresh };
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Begins to listen, or ends it. */
export function listen(wish) {
  wanted = wish;
  keep();
}

/** Whether changes arrive the moment they happen. */
export function isLive() {
  return flowing;
}

function tell(named) {
  for (const { about, refresh } of [...watchers]) {
    if (!named || !about.length || about.some((name) => named.includes(name))) refresh();
  }
}

/** Holds the stream open exactly while somebody is signed in and looks. */
function keep() {
  const open = wanted && !document.hidden;
  if (open && !stream) connect();
  if (!open) close();
  clearInterval(poll);
  if (open) poll = setInterval(() => { if (!flowing) tell(); }, POLL);
}

function connect() {
  clearTimeout(again);
  stream = new EventSource("/api/events");
  stream.addEventListener("open", () => {
    flowing = true;
    tell(); // what happened until now was not heard
  });
  stream.addEventListener("changed", (event) => tell(names(event.data)));
  stream.addEventListener("error", () => {
    flowing = false;
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    close();
    again = setTimeout(keep, TRY_AGAIN);
  });
}

function close() {
  clearTimeout(again);
  stream?.close();
  stream = null;
  flowing = false;
}

/** What an event names; everything when it cannot be told. */
function names(data) {
  try {
    return JSON.parse(data).about;
  } catch {
    return null;
  }
}

document.addEventListener("visibilitychange", keep);
