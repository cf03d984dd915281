/**
 * Reads a mail message (RFC 5322, MIME) just far enough to show it: a few headers and its plain and HTML parts.
 *
 * It is given our own messages as text, so it forgives rather than validates; whatever it does not know is left out.
 */

const DEEPEST = 5;

/** `{ subject, from, to, replyTo, text, html }`; a part that is not there is the empty text. */
export function readMail(source) {
  const { headers, body } = split(source);
  const parts = { text: "", html: "" };
  collect(headers, body, parts, 0);
  const header = (name) => encodedWords(headers.get(name) ?? "");
  return { subject: header("subject"), from: header("from"), to: header("to"), replyTo: header("reply-to"), ...parts };
}

/** Headers, unfolded and by lower-cased name, and what follows the first empty line. */
function split(source) {
  const [, head, body] = /^([\s\S]*?)(?:\r?\n\r?\n([\s\S]*))?$/.exec(source);
  const headers = new Map();
  for (const line of head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return { headers, body: body ?? "" };
}

/** Fills `parts` with the first plain and the first HTML part found. */
function collect(headers, body, parts, depth) {
  const type = headers.get("content-type") ?? "text/plain";
  const boundary = parameter(type, "boundary");
  if (/^multipart\//i.test(type)) {
    if (!boundary || depth >= DEEPEST) return;
    for (const piece of pieces(body, boundary)) {
      const part = split(piece);
      collect(part.headers, part.body, parts, depth + 1);
    }
    return;
  }
  const kind = /^text\/html\b/i.test(type) ? "html" : /^text\/plain\b/i.test(type) ? "text" : null;
  if (kind && !parts[kind]) parts[kind] = decode(body, headers.get("content-transfer-encoding") ?? "", parameter(type, "charset"));
}

function parameter(header, name) {
  const found = new RegExp(`;\\s*${name}\\s*=\\s*(?:"([^"]*)"|([^;\\s]+))`, "i").exec(header);
  return found ? found[1] ?? found[2] : "";
}

/** What stands between the boundary lines. */
function pieces(body, boundary) {
  const found = [];
  let current = null;
  for (const line of body.split(/\r?\n/)) {
    const marked = line.trimEnd();
    if (marked === `--${boundary}` || marked === `--${boundary}--`) {
      if (current) found.push(current.join("\n"));
      if (marked.endsWith("--") && marked !== `--${boundary}`) return found;
      current = [];
    } else {
      current?.push(line);
    }
  }
  if (current) found.push(current.join("\n"));
  return found;
}

function decode(body, encoding, charset) {
  switch (encoding.trim().toLowerCase()) {
    case "quoted-printable": return toText(quotedPrintable(body), charset);
    case "base64": return toText(base64(body), charset);
    default: return body;
  }
}

/** Quoted-printable (RFC 2045 §6.7) to bytes; an `=` that starts no escape stands for itself. */
function quotedPrintable(text) {
  const joined = text.replace(/[ \t]+(?=\r?\n|$)/g, "").replace(/=\r?\n/g, "");
  const bytes = [];
  for (const [piece, hex] of joined.matchAll(/=([0-9a-f]{2})|[^=]+|=/gi)) {
    if (hex) bytes.push(parseInt(hex, 16));
    else for (const byte of new TextEncoder().encode(piece)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function base64(text) {
  try {
    return Uint8Array.from(atob(text.replace(/[^a-z0-9+/]/gi, "")), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array(); // cut off in the middle
  }
}

function toText(bytes, charset) {
  try {
    return new TextDecoder(charset || "utf-8").decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes); // a charset this browser has not heard of
  }
}

/** Encoded words in a header (RFC 2047): `=?utf-8?Q?Espa=C3=B1a?=`. */
function encodedWords(header) {
  return header
    .replace(/\?=\s+=\?/g, "?==?")
    .replace(/=\?([^?\s]+)\?([bq])\?([^?]*)\?=/gi, (_, charset, way, text) =>
      toText(way.toLowerCase() === "b" ? base64(text) : quotedPrintable(text.replace(/_/g, " ")), charset));
}
