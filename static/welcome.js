/**
 * Whoever comes by the link in their welcome: the shop counts that they came back to the chat, once it is open.
 *
 * The link's token is taken out of the address before anything else reads it, so that it is in no origin and nobody
 * passes it on. Until it is told it stays with this entry of the browser's history: a page that has to be loaded again
 * still knows it.
 */

const NAME = "welcome";

/** The token that led here, and out of the address with it; empty: none did. */
export function takeWelcome() {
  const token = new URLSearchParams(location.search).get(NAME) ?? history.state?.[NAME];
  if (typeof token !== "string" || !token) return "";
  const others = location.search.slice(1).split("&").filter((part) => part.split("=")[0] !== NAME).join("&");
  history.replaceState({ [NAME]: token }, "", location.pathname + (others && `?${others}`) + location.hash);
  return token;
}

/** Tells the server that the chat is open. It is of no use to the visitor, who hears nothing of it either way. */
export async function tellOpened(token) {
  if (!token) return;
  try {
    const headers = { "Content-Type": "application/json" };
    const told = await fetch("/welcome/opened", { method: "POST", headers, body: JSON.stringify({ token }), keepalive: true });
    if (told.ok) history.replaceState(null, "");
  } catch {
    // The next time that this page is loaded it is told again.
  }
}
