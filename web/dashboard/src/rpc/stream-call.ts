/** One call over the WebSocket, read as an async iterable of the bytes of its messages. */
import { CallFailed, localFault, type Fault } from "./fault";

/** The link went away under a call; whoever watches begins again. */
export const LINK_LOST = "LINK_LOST";

export class StreamCall implements AsyncIterable<Uint8Array> {
  readonly #waiting: Uint8Array[] = [];
  readonly #give: (messages: number) => void;
  readonly #cancel: () => void;
  #ended = false;
  #fault: Fault | undefined;
  #wake: () => void = () => undefined;

  /**
   * @param give sends credit
   * @param cancel tells the server that nobody reads any more
   */
  constructor(give: (messages: number) => void, cancel: () => void) {
    this.#give = give;
    this.#cancel = cancel;
  }

  /** Let the server send more: once for each message that was used up. */
  credit(messages = 1): void {
    if (!this.#ended) {
      this.#give(messages);
    }
  }

  /** End the call; the iteration ends without an error. */
  cancel(): void {
    if (!this.#ended) {
      this.#cancel();
      this.#waiting.length = 0;
      this.finish(undefined);
    }
  }

  /** A message came. */
  push(message: Uint8Array): void {
    if (!this.#ended) {
      this.#waiting.push(message);
      this.#wake();
    }
  }

  /** The call ended; no fault means OK. */
  finish(fault: Fault | undefined): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#fault = fault;
      this.#wake();
    }
  }

  /** The link under the call is gone. */
  lose(): void {
    this.finish(localFault(LINK_LOST, "the connection to the server was lost"));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const message = this.#waiting.shift();
        if (message !== undefined) {
          yield message;
        } else if (this.#ended) {
          break;
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      }
    } finally {
      this.cancel();
    }
    if (this.#fault !== undefined) {
      throw new CallFailed(this.#fault);
    }
  }
}
