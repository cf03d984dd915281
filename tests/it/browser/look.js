// How the tests look at a page: as somebody does who sees it, by what things are and what they are called.

const ROLES = {
  button: "button, summary, input[type=submit], [role=button]",
  checkbox: "input[type=checkbox], [role=checkbox]",
  field: "input:not([type=checkbox], [type=radio], [type=submit], [type=hidden]), textarea, select",
  heading: "h1, h2, h3, [role=heading]",
  link: "a[href], [role=link]",
};

const plain = (text) => (text ?? "").replace(/\s+/g, " ").trim().toLowerCase();

/** Whether somebody can see it. */
function visible(node) {
  return node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length > 0;
}

/** What it is called, in lower case. */
function called(node) {
  const named = node.getAttribute("aria-labelledby");
  const texts = [
    named?.split(/\s+/).map((id) => document.getElementById(id)?.textContent).join(" "),
    node.getAttribute("aria-label"),
    [...(node.labels ?? [])].map((label) => label.textContent).join(" "),
    "placeholder" in node ? node.placeholder : node.textContent,
    node.title,
    node.value,
  ];
  return texts.map(plain).find(Boolean) ?? "";
}

/** The one of this role and name; where none has just this name, one whose name begins so, or has it inside. */
function find(role, name, within = document) {
  const wanted = plain(name);
  const candidates = [...within.querySelectorAll(ROLES[role])].filter((node) => visible(node) && !node.disabled);
  const fitting = (fits) => candidates.find((node) => fits(called(node)));
  return fitting((text) => text === wanted) ?? fitting((text) => text.startsWith(wanted)) ?? fitting((text) => text.includes(wanted)) ?? null;
}

/** The link that leads on from the first row or entry in which `text` stands. */
function findRow(text) {
  const rows = [...document.querySelectorAll("tbody tr, [role=row], li, article")];
  const row = rows.find((node) => visible(node) && plain(node.innerText).includes(plain(text)) && node.querySelector("a[href], summary"));
  return row?.querySelector("a[href], summary") ?? null;
}

/** What can be read on the page: of a list to choose from, what is chosen. */
function text() {
  const lists = [...document.querySelectorAll("select")].filter(visible);
  return lists.reduce((text, list) => text.replace(list.innerText, list.selectedOptions[0]?.text ?? ""), document.body?.innerText ?? "");
}

/** Whether `words` can be read on the page. */
function reads(words) {
  return plain(text()).includes(plain(words));
}

/** Marks what the console shows as left behind, and goes to another of its pages. */
function go(page) {
  if (location.hash === page) return;
  for (const node of document.querySelector("main").children) node.dataset.left = "";
  location.hash = page;
}

/** Whether the page that was asked for is there, with everything that it asked the server for; `watch.js` counts. */
function settled() {
  const left = document.querySelector("main > [data-left], main[aria-busy=true]");
  return !left && document.readyState === "complete" && (globalThis.settledFor?.() ?? 0) > 120;
}

/** What `condition` gives, once that is something; null when `patience` milliseconds were not enough. */
async function eventually(patience, condition) {
  const end = performance.now() + patience;
  for (;;) {
    const found = condition();
    if (found) return found;
    if (performance.now() > end) return null;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
