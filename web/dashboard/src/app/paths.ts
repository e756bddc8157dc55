/** Addresses of the pages. */

/** The page of one run. It ends with a slash, so that a dot in an id does not look like the name of a file. */
export function runPath(id: string): string {
  return `/runs/${encodeURIComponent(id)}/`;
}

/** The page that compares runs. */
export function comparePath(ids: readonly string[]): string {
  return `/compare?runs=${ids.map(encodeURIComponent).join(",")}`;
}
