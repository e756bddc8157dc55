/** The worker's own end of its channel to the page; the page's types do not know it. */
import type { FromWorker, ToWorker } from "./protocol";

interface Channel {
  postMessage(message: FromWorker, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
}

const channel = self as unknown as Channel;

/** Tell the page something; what is in `transfer` is handed over and not copied. */
export function post(message: FromWorker, transfer: Transferable[] = []): void {
  channel.postMessage(message, transfer);
}

/** Have a function hear all that the page says. */
export function listen(hear: (message: ToWorker) => void): void {
  channel.onmessage = (event) => hear(event.data);
}
