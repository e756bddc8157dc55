/** The page's end of its channel to the worker: numbers what it asks, and hands answers to whoever asked. */
import { signal } from "@preact/signals";
import type { Connection, FromWorker, ToWorker } from "./protocol";

type Hear = (message: FromWorker) => void;

/** Where the connection to the server stands. */
export const connection = signal<Connection>({ phase: "connecting" });

const hearers = new Map<number, Hear>();
let lastId = 0;
let worker: Worker | undefined;

/** Start the worker, with the token of this tab. */
export function startWorker(token: string): void {
  worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "catenary" });
  worker.onmessage = (event: MessageEvent<FromWorker>) => {
    const message = event.data;
    if (message.kind === "connection") {
      connection.value = message.connection;
    } else {
      hearers.get(message.id)?.(message);
    }
  };
  say({ kind: "token", token });
  document.addEventListener("visibilitychange", () => {
    say({ kind: "visible", visible: document.visibilityState === "visible" });
  });
}

/** Tell the worker something; what is in `transfer` is handed over. */
export function say(message: ToWorker, transfer: Transferable[] = []): void {
  worker?.postMessage(message, transfer);
}

/** A number for something to ask, whose answers go to `hear` until `forget`. */
export function ask(hear: Hear): number {
  lastId += 1;
  hearers.set(lastId, hear);
  return lastId;
}

/** Nobody waits for answers to this any more. */
export function forget(id: number): void {
  hearers.delete(id);
}
