/** The worker: everything that is protobuf, network or pixels. */
import { RunWatch } from "../watch/run-watch";
import { Calls } from "./calls";
import { reachable } from "./reachable";
import { listen, post } from "./scope";
import { StreamLink } from "./streams";
import { transport } from "./unary";
import type { ToWorker } from "./protocol";

const origin = self.location.origin;
let token = "";

const link = new StreamLink({
  socket: () => new WebSocket(`${origin.replace(/^http/, "ws")}/streams`),
  reachable: () => reachable(`${origin}/favicon.svg`),
  token: () => token,
  onConnection: (connection) => post({ kind: "connection", connection }),
});
const unary = transport(origin, () => token);
const calls = new Calls(unary, link, () => {
  // A token that was good until now; one that never was is asked for already.
  if (link.connection.phase === "live") {
    link.restart();
  }
});
const watches = new Map<number, RunWatch>();
let running: Promise<void> | undefined;

function hear(message: ToWorker): void {
  switch (message.kind) {
    case "token":
      token = message.token;
      if (running === undefined) {
        running = link.run();
      } else {
        link.restart();
      }
      break;
    case "visible":
      link.visible = message.visible;
      break;
    case "retry":
      link.retry();
      break;
    case "call":
      void calls.call(message.id, message.service, message.method, message.request, message.timeoutMs);
      break;
    case "open":
      void calls.open(message.id, message.service, message.method, message.request, message.credit);
      break;
    case "credit":
      calls.credit(message.id, message.messages);
      break;
    case "cancel":
      calls.cancel(message.id);
      watches.get(message.id)?.stop();
      watches.delete(message.id);
      break;
    case "watch":
      watchOf(message.id).take(message.request);
      break;
  }
}

function watchOf(id: number): RunWatch {
  const found = watches.get(id) ?? new RunWatch(link, (update, transfer) => post({ kind: "view", id, update }, transfer));
  watches.set(id, found);
  return found;
}

self.addEventListener("online", () => link.retry());
self.addEventListener("offline", () => link.offline());
listen(hear);
