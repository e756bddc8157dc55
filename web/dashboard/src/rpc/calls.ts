/** Serves the page's calls: encodes requests, decodes answers, and keeps count of what is under way. */
import { create, fromBinary, toBinary, type DescMessage, type DescMethod, type DescMethodUnary, type MessageInitShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { CallFailed, localFault, type Fault } from "./fault";
import { post } from "./scope";
import { methodOf, pathOf } from "./services";
import type { StreamCall } from "./stream-call";
import type { StreamLink } from "./streams";
import { callUnary, faultOf } from "./unary";

export class Calls {
  readonly #transport: Transport;
  readonly #link: StreamLink;
  readonly #onUnauthenticated: () => void;
  readonly #unary = new Map<number, AbortController>();
  readonly #streams = new Map<number, StreamCall>();
  readonly #opening = new Map<number, { credit: number; abort: AbortController }>();

  constructor(transport: Transport, link: StreamLink, onUnauthenticated: () => void) {
    this.#transport = transport;
    this.#link = link;
    this.#onUnauthenticated = onUnauthenticated;
  }

  /** Make a unary call and answer the page. */
  async call(id: number, service: string, name: string, request: unknown, timeoutMs?: number): Promise<void> {
    const abort = new AbortController();
    this.#unary.set(id, abort);
    try {
      const init = request as MessageInitShape<DescMessage>;
      const response = await callUnary(this.#transport, unaryMethod(service, name), init, timeoutMs, abort.signal);
      post({ kind: "answer", id, response });
    } catch (error) {
      const fault = faultOf(error);
      if (fault.code === "UNAUTHENTICATED") {
        this.#onUnauthenticated();
      }
      post({ kind: "ended", id, fault });
    } finally {
      this.#unary.delete(id);
    }
  }

  /** Open a stream, once there is a connection, and pass its messages on to the page. */
  async open(id: number, service: string, name: string, request: unknown, credit: number): Promise<void> {
    const abort = new AbortController();
    const opening = { credit, abort };
    this.#opening.set(id, opening);
    let fault: Fault | undefined;
    try {
      const method = methodOf(service, name);
      const bytes = toBinary(method.input, create(method.input, request as MessageInitShape<DescMessage>));
      await this.#link.live(abort.signal);
      const stream = this.#link.open(pathOf(method), bytes, opening.credit);
      this.#streams.set(id, stream);
      for await (const message of stream) {
        post({ kind: "message", id, message: fromBinary(method.output, message) });
      }
    } catch (error) {
      fault = error instanceof CallFailed ? error.fault : localFault("CANCELLED", String(error));
    } finally {
      this.#opening.delete(id);
      this.#streams.delete(id);
    }
    post({ kind: "ended", id, fault });
  }

  /** The page used messages up. */
  credit(id: number, messages: number): void {
    const stream = this.#streams.get(id);
    const opening = this.#opening.get(id);
    if (stream !== undefined) {
      stream.credit(messages);
    } else if (opening !== undefined) {
      opening.credit += messages;
    }
  }

  /** The page wants no more of a call or a stream. */
  cancel(id: number): void {
    this.#unary.get(id)?.abort();
    this.#streams.get(id)?.cancel();
    this.#opening.get(id)?.abort.abort();
  }
}

function unaryMethod(service: string, name: string): DescMethodUnary {
  const method = methodOf(service, name);
  if (!isUnary(method)) {
    throw new Error(`${pathOf(method)} is a stream`);
  }
  return method;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}
