/** A connection that can be cut: passes bytes on to a server, or does not. */
import { connect, createServer, type Server as Listener, type Socket } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

export class Cut {
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>();
  #whole = true;
  /** Port of this machine that bytes are passed on to. */
  target = 0;

  private constructor(listener: Listener) {
    this.#listener = listener;
  }

  /** Listen on a free port. */
  static async start(): Promise<Cut> {
    const listener = createServer();
    const cut = new Cut(listener);
    listener.on("connection", (socket) => cut.#pass(socket));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    return cut;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** End every connection, and refuse new ones. */
  cut(): void {
    this.#whole = false;
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  /** Let connections through again. */
  mend(): void {
    this.#whole = true;
  }

  close(): void {
    this.cut();
    this.#listener.close();
  }

  #pass(socket: Socket): void {
    if (!this.#whole) {
      socket.destroy();
      return;
    }
    const onward = connect(this.target, "127.0.0.1");
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
