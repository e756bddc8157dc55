/** Asks for a token where the server wants one. */
import { useRef } from "preact/hooks";
import type { JSX } from "preact";
import { Dialog } from "../parts/dialog";
import { connection } from "../rpc/port";
import { storedToken, chooseToken } from "../rpc/token";

/** Open while the server refuses the token of this tab, or there is none. */
export function TokenDialog(): JSX.Element | null {
  const field = useRef<HTMLInputElement>(null);
  const now = connection.value;
  if (now.phase !== "refused") {
    return null;
  }
  const enter = (event: Event): void => {
    event.preventDefault();
    chooseToken(field.current?.value.trim() ?? "");
  };
  return (
    <Dialog title="Token">
      <form onSubmit={enter} class="stack">
        <p>This server asks for a token. It stays in this tab and is forgotten when the tab closes.</p>
        {storedToken() !== "" && (
          <p class="bad-text" role="alert">
            The token was not accepted{now.message === "" ? "." : `: ${now.message}`}
          </p>
        )}
        <label class="field">
          <span>Token</span>
          <input ref={field} type="password" name="token" autocomplete="off" spellcheck={false} required />
        </label>
        <div class="row end">
          <button type="submit" class="button primary">
            Connect
          </button>
        </div>
      </form>
    </Dialog>
  );
}
