/** The drawings of the navigation: one line each, in a square of 24. */

import { drawn } from "./element.js";

const LINES = {
  overview: "M4 13h6V4H4zM14 20h6V11h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  origins: "M12 3v6M12 9l-7 5v6M12 9l7 5v6M12 9v11M9 6l3-3 3 3",
  users: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-4 3-6 6.5-6s6.5 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6M18 14.5c2 .7 3.5 2.5 3.5 5.5",
  requests: "M4 5h16v11H10l-5 4v-4H4zM8 9h8M8 12h5",
  messages: "M3 6h18v12H3zM3 7l9 6 9-6",
  channels: "M5 12a7 7 0 0 1 14 0M8 12a4 4 0 0 1 8 0M12 12v8M9 20h6",
  inbox: "M3 13l3-8h12l3 8v6H3zM3 13h5l2 3h4l2-3h5",
  landbot: "M5 9h14v9H5zM12 9V5M9 13v1M15 13v1M2 12v3M22 12v3M12 5h.01",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
};

/** The drawing of a page; it says nothing that its name does not say. */
export function drawing(name) {
  return drawn("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, drawn("path", { d: LINES[name] ?? "" }));
}
