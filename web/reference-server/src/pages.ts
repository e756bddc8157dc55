/** Lists in pages: a token holds the place where the page before ended, and what was asked for. */
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { Failure } from "./failure.js";

/** One page and the token of the next; empty on the last. */
export interface Page<Item> {
  items: Item[];
  nextPageToken: string;
}

/**
 * Cut one page out of items that are sorted by `place`, ascending.
 *
 * Items that come or go meanwhile move none of the others to another page, as the token names a place and no count.
 * `filter` is what the list was asked for with; a token given for another filter is refused.
 */
export function page<Item>(
  items: Item[],
  size: number,
  token: string,
  filter: unknown,
  place: (item: Item) => number,
): Page<Item> {
  const asked = JSON.stringify(filter);
  const after = token === "" ? -Infinity : placeOf(token, asked);
  const rest = items.filter((item) => place(item) > after);
  const taken = rest.slice(0, size);
  const last = taken.at(-1);
  const more = last !== undefined && rest.length > taken.length;
  return { items: taken, nextPageToken: more ? tokenOf(place(last), asked) : "" };
}

function tokenOf(place: number, asked: string): string {
  return Buffer.from(JSON.stringify([place, asked])).toString("base64url");
}

function placeOf(token: string, asked: string): number {
  const refusal = new Failure(ErrorReason.FIELD_INVALID, "the page token was not given for this list; start over", {
    violations: [{ field: "page_token", description: "was not given for this list" }],
  });
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    throw refusal;
  }
  if (!Array.isArray(read) || typeof read[0] !== "number" || read[1] !== asked) throw refusal;
  return read[0];
}
