/**
 * The built-in demo chat: walks a visitor through the same questions as the Landbot bot and calls the same two
 * webhooks with the same bodies, so that a shop sees everything work before it has a bot.
 *
 * It decides nothing: what is valid and what to say about it comes from the server's answer. It keeps what was typed
 * until the server has taken it.
 */

import { element } from "./element.js";

const TYPING = 550;
const PATIENCE = 15_000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const QUESTIONS = {
  name: { ask: "What is your name?", label: "Your name", attributes: { autocomplete: "name", autocapitalize: "words" } },
  email: { ask: "And your e-mail address?", label: "Your e-mail address", attributes: { type: "email", autocomplete: "email", inputmode: "email" } },
  phone: { ask: "Would you like to leave a phone number too? You can skip this.", label: "Your phone number (optional)", optional: true, attributes: { type: "tel", autocomplete: "tel", inputmode: "tel" } },
  question: { ask: "What would you like to know?", label: "Your question", long: true, attributes: { autocomplete: "off", rows: "3" } },
};

/** Opens the demo chat inside `chat`. */
export function openDemo(chat, page, origin) {
  new Demo(chat, page, origin).run();
}

class Demo {
  constructor(chat, page, origin) {
    this.page = page;
    this.origin = origin;
    this.answers = {};
    this.touched = false; // focus moves only after the visitor began: a page must not grab it while it loads
    this.log = element("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": "Conversation", tabindex: "0" });
    this.composer = element("div", { class: "composer" });
    chat.replaceChildren(this.log, this.composer, page.sandbox ? sandboxNote() : "");
  }

  async run() {
    await this.say(`Hello, and welcome to ${this.page.shop || "our shop"}.`);
    for (const field of ["name", "email", "phone"]) await this.ask(field);
    await this.deliver("/umishop_api/user", ["name", "email", "phone"]);
    for (;;) {
      await this.askTopic();
      await this.ask("question");
      await this.deliver("/umishop_api/topic", ["name", "email", "phone", "topic", "question"]);
      delete this.answers.topic;
      delete this.answers.question;
      await this.choose(["Ask something else"]);
    }
  }

  /** Posts what was answered until the server takes it, mending what it asks to be mended. */
  async deliver(path, fields) {
    for (;;) {
      const answer = await this.waiting(post(path, this.body(fields)));
      if (answer.ok) return this.say(answer.message);
      await this.say(answer.message, "trouble");
      if (answer.status === 422 && fields.includes(answer.field)) {
        await (answer.field === "topic" ? this.askTopic() : this.ask(answer.field));
      } else if (await this.choose(["Try again", "Change what I wrote"]) === "Change what I wrote") {
        for (const field of fields.includes("question") ? ["question"] : fields) await this.ask(field);
      }
    }
  }

  /** The body a Landbot Webhook block sends: flat, every value a text. */
  body(fields) {
    return { ...this.origin, channel: "web", ...Object.fromEntries(fields.map((field) => [field, this.answers[field] ?? ""])) };
  }

  async askTopic() {
    await this.say("What is it about?");
    this.answers.topic = this.page.topics?.length ? await this.choose(this.page.topics) : "";
  }

  /** Asks for one field; what was typed before stands in the box. */
  async ask(field) {
    const question = QUESTIONS[field];
    await this.say(question.ask);
    this.answers[field] = await this.read(field, question);
    this.say(this.answers[field] || "Skip", "visitor");
  }

  /** Shows the field and resolves with what the visitor typed; an optional one may stay empty. */
  read(field, question) {
    return new Promise((resolve) => {
      const hint = element("p", { class: "hint", id: "hint", role: "alert", hidden: true });
      const box = element(question.long ? "textarea" : "input", { id: "answer", "aria-describedby": "hint", "aria-required": question.optional ? "false" : "true", ...question.attributes });
      box.value = this.answers[field] ?? "";
      const skip = question.optional && element("button", { type: "button", click: () => this.resting || this.take(resolve, "") }, "Skip");
      const submit = () => {
        if (this.resting) return;
        const wrong = complaint(box, question);
        if (!wrong) return this.take(resolve, box.value.trim());
        box.setAttribute("aria-invalid", "true");
        hint.textContent = wrong;
        hint.hidden = false;
        box.focus();
      };
      const form = element("form", { novalidate: true, submit: (event) => { event.preventDefault(); submit(); } },
        element("label", { for: "answer" }, question.label),
        element("div", { class: "field" }, box, element("button", { class: "main" }, "Send"), skip), hint);
      if (question.long) box.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        submit();
      });
      this.offer(form);
      if (this.touched) box.focus({ preventScroll: true });
    });
  }

  /** Shows buttons and resolves with the label of the one chosen. */
  choose(labels) {
    return new Promise((resolve) => {
      const buttons = labels.map((label, at) => element("button", { type: "button", class: labels.length < 3 && at === 0 ? "main" : null, click: () => {
        if (this.resting) return;
        this.say(label, "visitor");
        this.take(resolve, label);
      } }, label));
      this.offer(element("div", { class: "choices", role: "group", "aria-label": "Choose one" }, buttons));
      if (this.touched) buttons[0].focus({ preventScroll: true });
    });
  }

  /** Takes the answer. The controls stay, at rest, until the next ones replace them, so that focus has a place to be. */
  take(resolve, answer) {
    this.touched = true;
    this.composer.setAttribute("aria-busy", "true");
    for (const box of this.composer.querySelectorAll("input, textarea")) {
      box.value = "";
      box.readOnly = true;
    }
    resolve(answer);
  }

  /** Whether an answer was taken and the next controls are still to come. */
  get resting() {
    return this.composer.getAttribute("aria-busy") === "true";
  }

  offer(controls) {
    this.composer.removeAttribute("aria-busy");
    this.composer.replaceChildren(controls);
  }

  /** Adds a bubble; the shop's come after a short pause, as if typed. */
  async say(text, kind = "shop") {
    if (kind !== "visitor" && !calm.matches) await this.waiting(new Promise((resolve) => setTimeout(resolve, TYPING)));
    const speaker = kind === "visitor" ? "You: " : `${this.page.shop || "Shop"}: `;
    this.log.append(element("p", { class: `bubble ${kind}` }, element("span", { class: "unseen" }, speaker), text));
    this.log.scrollTop = this.log.scrollHeight;
  }

  /** Shows the typing dots while the promise is open. */
  async waiting(promise) {
    const dots = element("div", { class: "typing", "aria-hidden": "true" }, element("i"), element("i"), element("i"));
    this.log.append(dots);
    this.log.scrollTop = this.log.scrollHeight;
    try {
      return await promise;
    } finally {
      dots.remove();
    }
  }
}

/** What is obviously wrong before anything is sent; the server has the last word. */
function complaint(box, question) {
  if (!box.value.trim()) return question.optional ? "" : "Please write something first.";
  return box.checkValidity() ? "" : "That does not look like an e-mail address. Is there a typing mistake?";
}

/** Posts to a webhook and always resolves: with the server's answer, or with words for what went wrong. */
async function post(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    return { ok: false, message: "I could not reach the shop. Your answers are still here." };
  }
  const answer = await response.json().catch(() => ({}));
  const message = typeof answer.message === "string" && answer.message;
  if (response.ok && answer.ok !== false) return { ok: true, message: message || "Thank you." };
  return { ok: false, status: response.status, field: answer.field, message: message || "Something went wrong on our side. Your answers are still here." };
}

function sandboxNote() {
  return element("p", { class: "note" }, "Demo chat. In the sandbox nothing leaves this machine; every message, and a little later the welcome mail, appears in the console at ",
    element("a", { href: "/admin" }, "/admin"), ".");
}
