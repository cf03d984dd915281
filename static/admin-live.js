/**
 * What changes on the server, as soon as it says so: one stream of events for the whole console. Where there is none,
 * because too many consoles are open or a proxy swallows it, everything counts as changed every few seconds.
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
let again = 0; // until when a stream that was refused is left alone

/**
 * Calls `refresh` whenever one of `about` (messages, requests, users, channels, inbox, webhooks, settings) may have
 * changed; an empty list means anything. The answer ends it.
 */
export function onChange(about, refresh) {
  const watcher = { about, refresh };
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Begins to listen, or ends it. */
export function listen(wish) {
  wanted = wish;
  if (!wish) again = 0; // who signs in anew may be let in
  keep();
}

/** Whether changes arrive the moment they happen. */
export function isLive() {
  return flowing;
}

/** Tells those whom a change `concerns`, by what they are about. */
function tell(concerns) {
  for (const { about, refresh } of [...watchers]) {
    if (concerns(about)) refresh();
  }
}

const everybody = () => true;
const whoeverIsAbout = (named) => (about) => !about.length || about.some((name) => named.includes(name));

/** Holds the stream open exactly while somebody is signed in and looks. */
function keep() {
  const open = wanted && !document.hidden;
  if (open && !stream && performance.now() >= again) connect();
  if (!open) close();
  clearInterval(poll);
  if (open) poll = setInterval(check, POLL);
}

/** Without a stream everything may have changed; and once in a while there is one again. */
function check() {
  if (!flowing) tell(everybody);
  if (!stream) keep();
}

function connect() {
  stream = new EventSource("/api/events");
  stream.addEventListener("open", () => {
    flowing = true;
    tell(everybody); // what happened until now was not heard
  });
  stream.addEventListener("changed", (event) => tell(concerned(event.data)));
  stream.addEventListener("error", () => {
    flowing = false;
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    close();
    again = performance.now() + TRY_AGAIN;
  });
}

function close() {
  stream?.close();
  stream = null;
  flowing = false;
}

/** Whom an event concerns; everybody when that cannot be told. */
function concerned(data) {
  try {
    return whoeverIsAbout(JSON.parse(data).about);
  } catch {
    return everybody;
  }
}

document.addEventListener("visibilitychange", keep);
