/**
 * Single keys that do things on a page, with a legend that shows them and a switch that turns them off: who speaks to
 * their computer, or types with one finger, must not change a request by accident.
 */

import { element } from "./element.js";

const OFF = "umi_keys_off";

let switched = null; // what was chosen last, where the browser blocks storage

function off() {
  try {
    return switched ?? localStorage.getItem(OFF) === "yes";
  } catch {
    return false;
  }
}

function turn(on) {
  switched = !on;
  try {
    if (on) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "yes");
  } catch {
    // blocked: until the page is loaded again
  }
}

/** Whether a key belongs to what has the focus, and not to the page. */
function typing(event) {
  const { target } = event;
  return event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")
    || target.matches?.("input, textarea, select");
}

const legends = new WeakMap(); // a legend's node and what its keys do

document.addEventListener("keydown", (event) => {
  const act = typing(event) || off() ? null : legends.get(document.querySelector(".keys"))?.get(event.key);
  if (!act) return;
  event.preventDefault();
  act();
});

/**
 * The legend of `keys`, which act as long as it is on the page. Each is `{ key, label, act }`; one without `act` is only
 * shown, as Enter is, which links have by themselves.
 */
export function keyLegend(keys) {
  const list = element("ul", {}, keys.map(({ key, label }) => element("li", {}, element("kbd", {}, key), ` ${label}`)));
  const button = element("button", { type: "button", class: "small", click: () => {
    turn(off());
    show();
  } });
  const legend = element("aside", { class: "keys", "aria-label": "Keyboard" }, list, button);
  function show() {
    list.hidden = off();
    button.textContent = off() ? "Switch the keys on" : "Switch the keys off";
  }
  show();
  legends.set(legend, new Map(keys.filter(({ act }) => act).map(({ key, act }) => [key, act])));
  return legend;
}

/** Moves the focus among the rows of a list by their main links: `step` 1 is the next, -1 the one before. */
export function stepAmong(place, step) {
  const rows = [...place.children];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + step));
  focusRow(rows[next]);
}

/** Gives a row the focus, on its main link. */
export function focusRow(row) {
  const target = row?.querySelector(".whole, a, button, summary");
  target?.focus();
  target?.scrollIntoView({ block: "nearest" });
}
