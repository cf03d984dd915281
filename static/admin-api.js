/**
 * The server's `/api` as the console sees it: the operator's token, one call, and lists that are read page by page.
 */

const KEY = "umi_admin_token";
const PATIENCE = 15_000;
const PAGE = 50;

/** What an API call failed with: `status` 0 means that the server did not answer. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let token = "";

/** The operator's token: kept for this tab only, in memory where the browser blocks storage. */
export function currentToken() {
  try {
    token ||= sessionStorage.getItem(KEY) ?? "";
  } catch {
    // blocked: memory has to do
  }
  return token;
}

/** Keeps a token, or forgets it when it is empty. */
export function keepToken(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // blocked: memory has to do
  }
}

/** One call. Resolves with the JSON answer, or throws an `ApiError` with words for the operator. */
export async function call(path, { method = "GET", signal } = {}) {
  const limit = AbortSignal.timeout(PATIENCE);
  let response;
  try {
    response = await fetch(`/api/${path}`, {
      method,
      headers: { Accept: "application/json", Authorization: `Bearer ${currentToken()}` },
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The server does not answer. What you see may be old; trying again every few seconds.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  throw new ApiError(response.status, answer?.error?.message ?? `The server answered ${response.status} without saying why.`);
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
