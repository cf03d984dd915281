/**
 * Signing in to the console: by the login link that the server prints, or by a token.
 */

import { askSession, session, signIn } from "./admin-api.js";
import { element } from "./element.js";

/** Whether the address is a login link. */
export function isLoginLink() {
  return location.hash.startsWith("#login=");
}

/**
 * Comes in by the login link in the address, else by the session that there is. Resolves with why nobody is signed in, in
 * words; the empty text when nothing went wrong. The link is taken out of the address bar at once: it is nobody's to read.
 */
export async function enter() {
  const shown = isLoginLink() ? shownIn(location.hash) : null;
  let why = "";
  if (shown) {
    history.replaceState(null, "", "#/");
    try {
      await signIn(shown);
      return "";
    } catch (error) {
      why = error.message;
    }
  }
  try {
    await askSession();
  } catch (error) {
    why ||= error.message;
  }
  return session() ? "" : why;
}

/** What somebody pasted: a login link, or a token. */
function shownIn(text) {
  const found = /#login=([^&\s]+)/.exec(text);
  return found ? { code: found[1] } : { token: text.trim() };
}

/** The form that asks for a link or a token; calls `done` when somebody is signed in. */
export function loginForm(why, done) {
  const box = element("input", { id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": "why" });
  const wrong = element("p", { id: "why", class: "bad", role: "alert" }, why);
  const button = element("button", { class: "main" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await signIn(shownIn(box.value));
      done();
    } catch (error) {
      wrong.textContent = error.message;
      box.focus();
    } finally {
      button.disabled = false;
    }
  };
  return element("form", { class: "login", submit }, element("h1", {}, "Sign in"),
    element("p", { class: "quiet" }, "Open the login link that the server printed when it started, or paste the link or a token here. ",
      element("code", {}, "umishop login-link"), " prints a new link."),
    element("label", { for: "token" }, "Login link or token"), box, wrong, button);
}
