/** Addresses of the pages. */

/** The page of one run. It ends with a slash, so that a dot in an id does not look like the name of a file. */
export function runPath(id: string): string {
  return `/runs/${encodeURIComponent(id)}/`;
}

/** The page that compares runs, before any is chosen. */
export const COMPARE_PATH = "/compare";

/** The page that compares these runs. */
export function comparePath(ids: readonly string[]): string {
  return `${COMPARE_PATH}?runs=${ids.map(encodeURIComponent).join(",")}`;
}

/** The page of the server's sessions. */
export const SESSIONS_PATH = "/sessions";

/** The page of one session. */
export function sessionPath(id: string): string {
  return `${SESSIONS_PATH}/${encodeURIComponent(id)}/`;
}
