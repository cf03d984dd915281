/**
 * Charts, drawn as SVG: parts of a period as stacked bars or as lines, and a bar for a share.
 *
 * A chart says in words what the pointer or the arrow keys are at, and can be read as a table. It has no styles of its
 * own in the page: places are attributes, colours are classes.
 */

import { compact, number } from "./admin-parts.js";
import { drawn, element } from "./element.js";

const HEIGHT = 230;
const LEFT = 46;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 24;
const WIDEST_BAR = 46;
const MARK_WIDTH = 84;

/** How many series have a colour of their own; one more is for all others together. */
export const COLOURS = 5;

/** A bar whose length is the part of a whole; it says nothing that the number beside it does not say. */
export function meter(value, whole) {
  const length = whole ? Math.max(value ? 0.6 : 0, (100 * value) / whole) : 0;
  return drawn("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn("rect", { class: "track", width: 100, height: 4 }), drawn("rect", { width: length.toFixed(2), height: 4 }));
}

/**
 * A chart over time. `show` draws `{ title, names, marks, series, before, lines }`: `names` and `marks` are the parts'
 * names, long and short; `series` are `{ name, values, rest }`, where `rest` says that it is all others together; `before`
 * is a line to compare with.
 */
export function trendChart() {
  const legend = element("ul", { class: "legend" });
  const readout = element("p", { class: "readout", role: "status" });
  const frame = element("div", { class: "plot" });
  const details = element("details", { class: "data", toggle: fillTable }, element("summary", {}, "As a table"));
  const caption = element("figcaption");
  const node = element("figure", { class: "chart" }, element("div", { class: "captions" }, caption, legend), readout, frame, details);
  let data = null;
  let at = -1;
  let svg = null;

  function show(next) {
    data = next;
    at = Math.min(at, data.names.length - 1);
    caption.textContent = data.title;
    legend.replaceChildren(...legendItems(data));
    fillTable();
    draw();
  }

  function draw() {
    if (!data || !frame.clientWidth) return;
    const held = svg !== null && svg === document.activeElement;
    svg = plot(data, frame.clientWidth, at);
    svg.addEventListener("pointermove", (event) => look(partUnder(event)));
    svg.addEventListener("pointerleave", () => look(-1));
    svg.addEventListener("keydown", move);
    svg.addEventListener("blur", () => look(-1));
    frame.replaceChildren(svg);
    if (held) svg.focus();
    say();
  }

  function partUnder(event) {
    const width = (frame.clientWidth - LEFT - RIGHT) / data.names.length;
    return Math.max(0, Math.min(data.names.length - 1, Math.floor((event.clientX - svg.getBoundingClientRect().left - LEFT) / width)));
  }

  /** The arrow keys go through the parts. */
  function move(event) {
    const last = data.names.length - 1;
    const to = { ArrowRight: Math.min(at + 1, last), ArrowLeft: at < 0 ? last : Math.max(at - 1, 0), Home: 0, End: last, Escape: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    look(to);
  }

  function look(part) {
    if (part === at) return;
    at = part;
    const guide = svg.querySelector(".guide");
    const width = (frame.clientWidth - LEFT - RIGHT) / data.names.length;
    guide.setAttribute("visibility", at < 0 ? "hidden" : "visible");
    guide.setAttribute("x", (LEFT + Math.max(at, 0) * width).toFixed(1));
    say();
  }

  function say() {
    readout.textContent = at < 0 ? "" : inWords(data, at);
  }

  function fillTable() {
    while (details.children.length > 1) details.lastChild.remove();
    if (details.open && data) details.append(dataTable(data));
  }

  new ResizeObserver(draw).observe(frame);
  return { node, show };
}

function legendItems({ series, before }) {
  const swatch = (kind) => drawn("svg", { class: "swatch", viewBox: "0 0 12 12", "aria-hidden": "true" },
    kind === "before" ? drawn("path", { class: "before", d: "M0 6h12" }) : drawn("rect", { class: kind, width: 12, height: 12, rx: 3 }));
  const items = series.length > 1 || before ? series.map((one, index) => [one.name, colour(one, index)]) : [];
  return [...items, ...(before ? [[before.name, "before"]] : [])].map(([name, kind]) => element("li", {}, swatch(kind), name));
}

/** The class of a series' colour. */
function colour({ rest }, index) {
  return `series-${rest ? COLOURS + 1 : (index % COLOURS) + 1}`;
}

function inWords({ names, series, before }, at) {
  const parts = series.map(({ name, values }) => [name, values[at] ?? 0]);
  const total = parts.reduce((sum, [, value]) => sum + value, 0);
  const told = parts.filter(([, value]) => value > 0).map(([name, value]) => `${name} ${number(value)}`);
  const earlier = before?.values[at] === undefined ? "" : ` (${before.name}: ${number(before.values[at])})`;
  return `${names[at]}: ${number(total)}${earlier}${series.length > 1 && told.length ? ` · ${told.join(", ")}` : ""}`;
}

function dataTable({ title, names, series, before }) {
  const head = (text) => element("th", { scope: "col" }, text);
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, element("table", { class: "plain-table", "aria-label": title },
    element("thead", {}, element("tr", {}, head("From"), series.map(({ name }) => head(name)), before && head(before.name))),
    element("tbody", {}, names.map((name, at) => element("tr", {}, element("th", { scope: "row" }, name),
      series.map(({ values }) => element("td", {}, number(values[at]))),
      before && element("td", {}, before.values[at] === undefined ? "" : number(before.values[at])))))));
}

/** The drawing itself, `width` pixels wide. */
function plot(data, width, at) {
  const { title, names, series, before, lines } = data;
  const count = names.length;
  const totals = names.map((_, part) => (lines ? Math.max(...series.map(({ values }) => values[part] ?? 0)) : series.reduce((sum, { values }) => sum + (values[part] ?? 0), 0)));
  const top = ceiling(Math.max(1, ...totals, ...(before?.values ?? [])));
  const step = (width - LEFT - RIGHT) / count;
  const x = (part) => LEFT + part * step;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const whole = series.reduce((sum, { values }) => sum + values.reduce((a, b) => a + b, 0), 0);
  const label = `${title}: ${number(whole)} in ${number(count)} parts, from ${names[0]} to ${names[count - 1]}. The arrow keys go through them.`;
  return drawn("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", tabindex: "0", "aria-label": label },
    grid(top, y, width), marks(data, x, step, width),
    drawn("rect", { class: "guide", x: x(Math.max(at, 0)).toFixed(1), y: TOP, width: step.toFixed(1), height: HEIGHT - TOP - BOTTOM, visibility: at < 0 ? "hidden" : "visible" }),
    lines ? series.map((one, index) => line(one.values, colour(one, index), x, y, step)) : bars(series, count, x, y, step),
    before && line(before.values.slice(0, count), "before", x, y, step));
}

/** Lines at round numbers, with their labels. */
function grid(top, y, width) {
  return [0, top / 2, top].map((value) => [
    drawn("path", { class: "grid", d: `M${LEFT} ${y(value).toFixed(1)}H${width - RIGHT}` }),
    drawn("text", { x: LEFT - 8, y: (y(value) + 4).toFixed(1), "text-anchor": "end" }, compact(value)),
  ]);
}

/** As many of the parts' names as there is room for. */
function marks({ marks: texts }, x, step, width) {
  const every = Math.max(1, Math.ceil(texts.length / Math.max(1, Math.floor((width - LEFT) / MARK_WIDTH))));
  return texts.map((text, part) => part % every === 0 && x(part) + step / 2 + MARK_WIDTH / 2 < width + RIGHT * 3 &&
    drawn("text", { x: (x(part) + step / 2).toFixed(1), y: HEIGHT - 6, "text-anchor": part === 0 && step < MARK_WIDTH ? "start" : "middle" }, text));
}

/** Stacked bars: one path for each series, however many parts there are. */
function bars(series, count, x, y, step) {
  const wide = Math.max(0.5, Math.min(WIDEST_BAR, step * (step > 4 ? 0.74 : 1)));
  const heights = new Array(count).fill(0);
  return series.map((one, index) => {
    const { values } = one;
    let path = "";
    for (let part = 0; part < count; part += 1) {
      const value = values[part] ?? 0;
      if (value <= 0) continue;
      const [low, high] = [y(heights[part]), y(heights[part] += value)];
      path += `M${(x(part) + (step - wide) / 2).toFixed(1)} ${low.toFixed(1)}V${high.toFixed(1)}h${wide.toFixed(1)}V${low.toFixed(1)}z`;
    }
    return drawn("path", { class: `bar ${colour(one, index)}`, d: path });
  });
}

function line(values, kind, x, y, step) {
  const points = values.map((value, part) => `${(x(part) + step / 2).toFixed(1)} ${y(value).toFixed(1)}`);
  return points.length > 0 && drawn("path", { class: `line ${kind}`, d: `M${points.join("L")}${points.length === 1 ? "h.1" : ""}` });
}

/** The next even number of the kind 2, 4, 10, 20, 50… that a scale can end with. */
function ceiling(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  const found = [1, 2, 3, 4, 5, 6, 8, 10].map((step) => step * size).find((step) => step >= value);
  return Math.max(2, found);
}
