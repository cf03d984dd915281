/** Who is signed in, and what they may do. */

import * as api from "./admin-api.js";

/** Whether the one who is signed in may do what `role` may: `operator` or `owner`. */
export function may(role) {
  return api.may?.(role) ?? true;
}

/** The name of the one who is signed in; the empty text where it is not known. */
export function whoami() {
  return api.session?.()?.name ?? "";
}
