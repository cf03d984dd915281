/** Who is signed in, and what they may do. */

import { session } from "./admin-api.js";

export { may } from "./admin-api.js";

/** The name of the one who is signed in; the empty text where it is not known. */
export function whoami() {
  return session()?.name ?? "";
}
