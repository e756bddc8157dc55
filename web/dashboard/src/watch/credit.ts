/** Gives credit back in few frames: a page may say only so much in a second. */
import type { StreamCall } from "../rpc/stream-call";

const MOMENT_MS = 2;

/** Gives credit back for several messages at once, or after a moment for those that there are. */
export function together(call: StreamCall, most: number): () => void {
  let owed = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const give = (): void => {
    clearTimeout(timer);
    timer = undefined;
    call.credit(owed);
    owed = 0;
  };
  return () => {
    owed += 1;
    if (owed >= most) {
      give();
    } else {
      timer ??= setTimeout(give, MOMENT_MS);
    }
  };
}
