/** What the server says to a training, in order; acknowledgments that wait are merged into the newest. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StreamTelemetryResponseSchema } from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import type { Failure } from "../failure.js";
import { Signal } from "./signal.js";

export type Reply = MessageInitShape<typeof StreamTelemetryResponseSchema>;

/** A queue of replies that ends, well or with a failure. */
export class Outbox {
  private waiting: Reply[] = [];
  private acknowledged: Reply | undefined;
  private readonly changed = new Signal();
  private ending: { failure: unknown } | undefined;

  /** True once the stream is to end. */
  get ended(): boolean {
    return this.ending !== undefined;
  }

  /** Send a reply. */
  put(reply: Reply): void {
    this.waiting.push(reply);
    this.changed.notify();
  }

  /** Send a cumulative acknowledgment, in place of one that still waits. */
  acknowledge(reply: Reply): void {
    this.acknowledged = reply;
    this.changed.notify();
  }

  /** End the stream behind what waits; the first end counts. */
  end(failure?: Failure | Error): void {
    this.ending ??= { failure };
    this.changed.notify();
  }

  /** Every reply, to the end; throws the failure with which the stream ends. */
  async *replies(signal: AbortSignal): AsyncGenerator<Reply> {
    for (;;) {
      signal.throwIfAborted(); // with the status: the deadline passed, or the client left
      const { acknowledged } = this;
      this.acknowledged = undefined;
      if (acknowledged !== undefined) yield acknowledged;
      const reply = this.waiting.shift();
      if (reply !== undefined) yield reply;
      else if (this.acknowledged === undefined && this.ending !== undefined) break;
      else if (this.acknowledged === undefined) await this.changed.wait({ signal });
    }
    if (this.ending?.failure !== undefined) throw this.ending.failure;
  }
}
