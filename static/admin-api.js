/**
 * The server's `/api` as the console sees it: who is signed in, one call, and lists that are read page by page.
 */

const PATIENCE = 15_000;
const PAGE = 50;
const ROLES = ["read-only", "operator", "owner"]; // each may what those before it may

/** What an API call failed with: `status` 0 means that the server did not answer; `present` is what a change did not expect. */
export class ApiError extends Error {
  constructor(status, message, present) {
    super(message);
    this.status = status;
    this.present = present;
  }
}

let signedIn = null;

/** Who is signed in, as `{ name, role, expires_at }`; null: nobody. The cookie itself is out of reach of scripts. */
export function session() {
  return signedIn;
}

/** The name of who is signed in; the empty text: nobody. */
export function whoami() {
  return signedIn?.name ?? "";
}

/** Whether who is signed in may do what takes the role `role`. */
export function may(role) {
  return ROLES.indexOf(signedIn?.role) >= ROLES.indexOf(role);
}

/** Asks who is signed in: since when the page was left, much may have happened. */
export async function askSession() {
  try {
    signedIn = await call("session");
  } catch (error) {
    if (error.status !== 401) throw error;
  }
}

/** Signs in by `{ token }` or by `{ code }` of a login link. */
export async function signIn(shown) {
  signedIn = await call("session", { method: "POST", body: shown });
}

/** Signs out. */
export async function signOut() {
  signedIn = null;
  await call("session", { method: "DELETE" });
}

/** One call. Resolves with the JSON answer, or throws an `ApiError` with words for the operator. */
export async function call(path, { method = "GET", body, signal } = {}) {
  const limit = AbortSignal.timeout(PATIENCE);
  let response;
  try {
    response = await fetch(`/api/${path}`, {
      method,
      // The server takes a change only with this header: another site's page cannot send it.
      headers: { Accept: "application/json", "X-Umishop-Console": "1", ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The server does not answer. What you see may be old; trying again every few seconds.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  if (response.status === 401) signedIn = null;
  throw new ApiError(response.status, answer?.error?.message ?? `The server answered ${response.status} without saying why.`, answer?.error?.present);
}

/** The first `wanted` items of a list and the cursor that goes on from there. */
export async function readList(path, filters, wanted, signal) {
  const items = [];
  let cursor = null;
  do {
    const query = new URLSearchParams({ ...filters, limit: String(Math.min(PAGE, wanted - items.length)) });
    if (cursor) query.set("cursor", cursor);
    const page = await call(`${path}?${query}`, { signal });
    items.push(...page.items);
    cursor = page.next ?? null;
  } while (cursor && items.length < wanted);
  return { items, next: cursor };
}

/** How many items a list shows at first, and how many more each time. */
export const PAGE_SIZE = PAGE;
