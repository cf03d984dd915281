/**
 * Where this visitor came from: campaign tags, click ids, the page that linked here, the first page of the visit.
 *
 * The first touch of a browser session is kept, so that a visitor who looks around before asking is still known by
 * the advertisement that brought them; new campaign tags replace it. Names fit Landbot's fields (`^[a-z0-9_]+$`).
 */

const KEY = "umi_origin";
const TAG = /^(utm_[a-z0-9_]{1,40}|gclid|gbraid|wbraid|fbclid|msclkid|ttclid|twclid|li_fat_id|ctwa_clid|ref)$/;
const MOST_TAGS = 30;
const LONGEST_TAG = 200;
const LONGEST_ADDRESS = 500;

/** The origin of this visit as flat fields, ready for Landbot's `customData` or for a webhook's body. */
export function captureOrigin() {
  const kept = recall();
  const tags = campaignTags(location.search);
  const fresh = Object.entries(tags).some(([name, value]) => kept?.[name] !== value);
  if (kept && !fresh) return kept;

  const origin = { ...tags, landing_page: (location.origin + location.pathname).slice(0, LONGEST_ADDRESS) };
  const referrer = foreignReferrer();
  if (referrer) origin.page_referrer = referrer.slice(0, LONGEST_ADDRESS);
  remember(origin);
  return origin;
}

/** The campaign tags in a query, by lower-cased name; the first of several wins. */
function campaignTags(query) {
  const tags = {};
  for (const [key, value] of new URLSearchParams(query)) {
    const name = key.trim().toLowerCase();
    const text = value.trim().slice(0, LONGEST_TAG);
    if (text && TAG.test(name) && !(name in tags) && Object.keys(tags).length < MOST_TAGS) tags[name] = text;
  }
  return tags;
}

/** The linking page, unless it is one of our own. */
function foreignReferrer() {
  try {
    return new URL(document.referrer).host === location.host ? "" : document.referrer;
  } catch {
    return ""; // none, or nothing that an address can be read from
  }
}

/** What an earlier page of this session kept, if it can be read and looks like ours. */
function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    if (kept === null || typeof kept !== "object" || Array.isArray(kept)) return null;
    return Object.fromEntries(Object.entries(kept).filter(([name, value]) => /^[a-z0-9_]+$/.test(name) && typeof value === "string"));
  } catch {
    return null; // storage is blocked or holds something else
  }
}

function remember(origin) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(origin));
  } catch {
    // Storage is blocked or full: this page still has the origin, only the next one will not.
  }
}
