/**
 * Streams over one WebSocket: connects, connects again, and carries any number of calls.
 *
 * A call does not outlive the connection: it ends with LINK_LOST, and whoever made it decides from where to go on.
 */
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { ClientFrameSchema, ServerFrameSchema, type ServerFrame } from "@catenary/contract/catenary/dashboard/v1/frame_pb";
import { backoffMs } from "./backoff";
import { faultOf } from "./ended";
import type { Connection } from "./protocol";
import { StreamCall } from "./stream-call";

/** What a link needs of the world. */
export interface LinkWorld {
  /** Opens a socket to the server. */
  readonly socket: () => WebSocket;
  /** Whether the server answers at all. */
  readonly reachable: () => Promise<boolean>;
  /** The token to send; empty for none. */
  readonly token: () => string;
  /** Told whenever the connection changes. */
  readonly onConnection: (connection: Connection) => void;
  readonly random?: () => number;
}

type Outcome = "lost" | "failed" | "refused";

const POLICY_VIOLATION = 1008;
const SILENCE_MS = 4_000;
const CHECK_MS = 1_000;

export class StreamLink {
  readonly #world: LinkWorld;
  readonly #calls = new Map<number, StreamCall>();
  #connection: Connection = { phase: "connecting" };
  #socket: WebSocket | undefined;
  #lastCall = 0;
  #lastHeard = 0;
  #visible = true;
  #closed = false;
  #refusal = "";
  #drop: () => void = () => undefined;
  #wake: () => void = () => undefined;
  #onLive: (() => void)[] = [];

  constructor(world: LinkWorld) {
    this.#world = world;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Connect and stay connected until `close`. */
  async run(): Promise<void> {
    let failed = 0;
    while (!this.#closed) {
      this.#change({ phase: "connecting" });
      const outcome = failed > 0 && !(await this.#world.reachable()) ? "failed" : await this.#connected();
      failed = outcome === "failed" ? failed + 1 : 0;
      if (!this.#isClosed()) {
        await this.#pause(outcome, failed);
      }
    }
  }

  /** End for good. */
  close(): void {
    this.#closed = true;
    this.#drop();
    this.#wake();
  }

  /** Try now: the network is back, somebody asked for it, or there is a new token. */
  retry(): void {
    this.#wake();
  }

  /** Begin again with what is now the token. */
  restart(): void {
    this.#drop();
    this.#wake();
  }

  /** The network says that it is gone. */
  offline(): void {
    this.#drop();
  }

  /** Whether anybody looks; a page in the background asks more rarely for a lost server. */
  set visible(visible: boolean) {
    this.#visible = visible;
    if (visible) {
      this.#wake();
    }
  }

  /** Resolves when calls can be made. */
  async live(signal: AbortSignal): Promise<void> {
    while (this.#connection.phase !== "live") {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#onLive.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  /** Make a call of an RPC that streams its responses; it is lost at once where there is no connection. */
  open(methodPath: string, request: Uint8Array, credit: number): StreamCall {
    this.#lastCall += 1;
    const id = this.#lastCall;
    const call = new StreamCall(
      (messages) => this.#send({ callId: id, frame: { case: "credit", value: { messages } } }),
      () => {
        this.#calls.delete(id);
        this.#send({ callId: id, frame: { case: "cancel", value: {} } });
      },
    );
    if (this.#connection.phase !== "live") {
      call.lose();
      return call;
    }
    this.#calls.set(id, call);
    this.#send({ callId: id, frame: { case: "open", value: { methodPath, request, credit } } });
    return call;
  }

  /** One connection, from its socket to its end. */
  async #connected(): Promise<Outcome> {
    const socket = this.#world.socket();
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#lastHeard = Date.now();
    const check = setInterval(() => void this.#check(), CHECK_MS);
    let welcomed = false;
    try {
      return await new Promise<Outcome>((resolve) => {
        this.#drop = () => resolve(welcomed ? "lost" : "failed");
        socket.onopen = () => {
          this.#send({ callId: 0, frame: { case: "hello", value: { token: this.#world.token() } } });
        };
        socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
          this.#lastHeard = Date.now();
          const frame = fromBinary(ServerFrameSchema, new Uint8Array(event.data));
          welcomed ||= frame.frame.case === "welcome";
          this.#take(frame);
        };
        socket.onclose = (event) => {
          this.#refusal = event.reason;
          const refused = !welcomed && event.code === POLICY_VIOLATION;
          resolve(refused ? "refused" : welcomed ? "lost" : "failed");
        };
      });
    } finally {
      clearInterval(check);
      this.#release(socket);
    }
  }

  #release(socket: WebSocket): void {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#socket = undefined;
    this.#drop = () => undefined;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    if (this.#connection.phase === "live") {
      this.#change({ phase: "connecting" });
    }
    for (const call of calls) {
      call.lose();
    }
  }

  async #pause(outcome: Outcome, failed: number): Promise<void> {
    const random = this.#world.random ?? Math.random;
    const woken = new Promise<void>((resolve) => (this.#wake = resolve));
    if (outcome === "refused") {
      this.#change({ phase: "refused", message: this.#refusal });
      await woken;
      return;
    }
    const delay = backoffMs(failed, this.#visible, random());
    this.#change({ phase: "waiting", retryAt: Date.now() + delay });
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([woken, new Promise<void>((resolve) => (timer = setTimeout(resolve, delay)))]);
    clearTimeout(timer);
  }

  /** A link that was cut without a word looks like one where nothing happens: ask. */
  async #check(): Promise<void> {
    const socket = this.#socket;
    if (this.#calls.size === 0 || Date.now() - this.#lastHeard < SILENCE_MS) {
      return;
    }
    this.#lastHeard = Date.now();
    if (!(await this.#world.reachable()) && this.#socket === socket) {
      this.#drop();
    }
  }

  #take({ callId, frame }: ServerFrame): void {
    switch (frame.case) {
      case "welcome":
        this.#change({ phase: "live", principal: frame.value.principal, scopes: [...frame.value.scopes] });
        break;
      case "message":
        this.#calls.get(callId)?.push(frame.value);
        break;
      case "ended": {
        const call = this.#calls.get(callId);
        this.#calls.delete(callId);
        call?.finish(faultOf(frame.value));
        break;
      }
      case undefined:
        break;
    }
  }

  #send(frame: MessageInitShape<typeof ClientFrameSchema>): void {
    if (this.#socket?.readyState === 1) {
      this.#socket.send(toBinary(ClientFrameSchema, create(ClientFrameSchema, frame)));
    }
  }

  #change(connection: Connection): void {
    this.#connection = connection;
    this.#world.onConnection(connection);
    if (connection.phase === "live") {
      const waiting = this.#onLive;
      this.#onLive = [];
      for (const resolve of waiting) {
        resolve();
      }
    }
  }

  /** Read anew: `close` may have been called while something was awaited. */
  #isClosed(): boolean {
    return this.#closed;
  }
}
