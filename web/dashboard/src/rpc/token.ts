/** The token of this tab: in the tab's own storage, never in a URL. */
import { say } from "./port";

const KEY = "catenary.token";

/** The token that was given in this tab; empty for none. */
export function storedToken(): string {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Use a token from now on, in this tab alone. */
export function chooseToken(token: string): void {
  if (token === "") {
    sessionStorage.removeItem(KEY);
  } else {
    sessionStorage.setItem(KEY, token);
  }
  say({ kind: "token", token });
}
