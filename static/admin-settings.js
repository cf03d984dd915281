/** Settings: what the server runs with and where each value comes from, backups, tokens, and who changed what. */

import { call, may } from "./admin-api.js";
import { attempt, readAgain } from "./admin-blocks.js";
import { segments } from "./admin-controls.js";
import { auditLog } from "./admin-audit.js";
import { duration, facts, fill, fixedTable, heading, number, row, section, time } from "./admin-parts.js";
import { tokens } from "./admin-tokens.js";
import { element } from "./element.js";

const PARTS = [["", "Configuration"], ["backup", "Backup"], ["tokens", "Tokens"], ["audit", "Audit log"]];

/** `#/settings`, `#/settings/backup`, `#/settings/tokens`, `#/settings/audit`. */
export function settings(query, id) {
  const part = { backup, tokens, audit: auditLog }[id]?.(query) ?? configuration(query);
  const chosen = PARTS.some(([value]) => value === id) ? id : "";
  const nav = segments("Part", PARTS, chosen, (value) => (value ? `#/settings/${value}` : "#/settings"));
  return { ...part, nodes: [heading("Settings"), nav, part.nodes] };
}

const FILES = { database: "Database", config: "Configuration", templates: "Own texts", backups: "Backups" };
const FROM = { default: "default", file: "your file", environment: "environment" };

/** What the server runs with; what was changed stands out. */
function configuration(query) {
  const changedOnly = query.get("show") === "changed";
  const about = element("div");
  const place = element("div");
  const box = element("input", { type: "search", id: "keys", "aria-label": "Search the configuration", placeholder: "Search: welcome, channels.email…", autocomplete: "off", spellcheck: "false" });
  let all = [];
  const show = () => {
    const wanted = box.value.trim().toLowerCase();
    const shown = all.filter(({ key, value, from }) => (!changedOnly || from !== "default") && `${key} ${value}`.toLowerCase().includes(wanted));
    fill(place, shown, () => (shown.length ? groups(shown) : element("div", { class: "empty" }, element("b", {}, "No such key."), element("p", {}, changedOnly && !wanted ? "Everything stands as it was shipped." : "Try a part of its name."))));
  };
  box.addEventListener("input", show);
  return {
    title: "Settings",
    about: ["settings"],
    nodes: [
      about,
      element("div", { class: "controls" }, element("p", { class: "search" }, box),
        segments("Which keys", [["", "all"], ["changed", "what you set"]], changedOnly ? "changed" : "", (value) => (value ? "#/settings?show=changed" : "#/settings"))),
      place,
    ],
    async refresh(signal) {
      const found = await call("settings", { signal });
      all = found.config;
      fill(about, [found.version, found.started_at, found.sandbox, found.files], () => server(found));
      show();
    },
  };
}

function server({ version, started_at: started, sandbox, files }) {
  return [
    facts([
      ["Version", version],
      ["Running since", time(started, { exact: true })],
      ["Sandbox", sandbox === undefined ? "" : sandbox ? "on: every message is kept instead of sent" : "off: messages are sent"],
      ...Object.entries(files ?? {}).map(([name, value]) => [FILES[name] ?? name, value && element("code", {}, value)]),
    ]),
  ];
}

/** The keys by the section they belong to. */
function groups(config) {
  const sections = new Map();
  for (const one of config) {
    const parts = one.key.split(".");
    const name = parts[0] === "channels" ? parts.slice(0, 3).join(".") : parts.length > 1 ? parts[0] : "";
    sections.set(name, [...(sections.get(name) ?? []), one]);
  }
  return [...sections].map(([name, keys]) => section(name ? `[${name}]` : "At the top", fixedTable(name || "At the top", ["Key", "Value", "From"], keys.map((one) => row([
    ["key", element("code", {}, name ? one.key.slice(name.length + 1) : one.key)],
    ["value", element("code", {}, one.value || "(empty)")],
    ["from", element("span", { class: one.from === "default" ? "quiet" : "set" }, FROM[one.from] ?? one.from), one.from !== "default" && one.place && element("span", { class: "quiet" }, one.place)],
  ])))));
}

/** The last backup, and one more. */
function backup() {
  const place = element("div");
  const made = element("div", { role: "status" });
  const act = async (event) => {
    const button = event.currentTarget;
    button.textContent = "Making it…";
    const done = await attempt(button, () => call("backup", { method: "POST" }));
    button.textContent = "Back up now";
    if (!done) return;
    fill(made, done, () => (done.done === false ? element("p", {}, "It takes a while and goes on; it shows up here when it is done.")
      : element("p", { class: "good" }, "Made in ", duration(done.took_ms), ": ", element("code", {}, done.file), `, ${size(done.bytes)}.`)));
    readAgain(made);
  };
  return {
    title: "Backup",
    about: ["settings"],
    nodes: [place, element("p", { class: "actions after" }, may("owner") && element("button", { type: "button", class: "main", click: act }, "Back up now")), made],
    async refresh(signal) {
      const { backup: last } = await call("settings", { signal });
      fill(place, last ?? null, () => (last?.last_at ? facts([
        ["Last backup", time(last.last_at, { exact: true })], ["File", last.file && element("code", {}, last.file)], ["Size", last.bytes && size(last.bytes)],
        ["Trouble", last.error && element("span", { class: "bad" }, last.error)],
      ]) : element("div", { class: "empty" }, element("b", {}, last?.error ? "The last backup failed." : "No backup was made since the server started."),
        element("p", {}, last?.error || ["Set ", element("code", {}, "[backup] directory"), ", best on another disk, and one is made every night. ", element("code", {}, "umishop restore"), " brings it back."]))));
    },
  };
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes for people. */
function size(bytes) {
  const power = Math.min(UNITS.length - 1, bytes > 0 ? Math.floor(Math.log2(bytes) / 10) : 0);
  return `${power ? (bytes / 1024 ** power).toFixed(1) : number(bytes)} ${UNITS[power]}`;
}
