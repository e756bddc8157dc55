/**
 * Calls of the contract from the page, typed by its services.
 *
 *     import type { SessionService } from "@catenary/contract/catenary/v1/session_service_pb";
 *     const sessions = unary<typeof SessionService>("catenary.v1.SessionService");
 *     const { sessions: found } = await sessions.listSessions({});
 *
 * Import services as types only: their descriptors live in the worker. What comes back are plain objects with the
 * fields of the contract's messages. Failures are `CallFailed`.
 */
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { CallFailed, localFault } from "./fault";
import { ask, forget, say } from "./port";
import type { FromWorker } from "./protocol";

/** How a call is made. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** The unary methods of a service. */
export type UnaryClient<S extends DescService> = {
  readonly [K in keyof S["method"] as S["method"][K] extends DescMethodUnary ? K : never]: S["method"][K] extends DescMethodUnary<
    infer I,
    infer O
  >
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : never;
};

/** The methods of a service that stream their responses. */
export type StreamClient<S extends DescService> = {
  readonly [K in keyof S["method"] as S["method"][K] extends DescMethodServerStreaming
    ? K
    : never]: S["method"][K] extends DescMethodServerStreaming<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncGenerator<MessageShape<O>, void, undefined>
    : never;
};

const CREDIT = 8;

/** A client of the unary methods of a service, by the service's full name. */
export function unary<S extends DescService>(service: string): UnaryClient<S> {
  return new Proxy({} as UnaryClient<S>, {
    get: (_, method) => (request: unknown, options?: CallOptions) => call(service, String(method), request, options),
  });
}

/**
 * A client of the streaming methods of a service.
 *
 * A stream waits for the connection; when that is lost it fails with the code LINK_LOST, and the caller begins again
 * from where it wants to. Breaking out of the iteration ends the call.
 */
export function streams<S extends DescService>(service: string): StreamClient<S> {
  return new Proxy({} as StreamClient<S>, {
    get: (_, method) => (request: unknown, options?: CallOptions) =>
      readStream(service, String(method), request, options?.signal),
  });
}

function call(service: string, method: string, request: unknown, options: CallOptions = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const id = ask((message) => {
      forget(id);
      if (message.kind === "answer") {
        resolve(message.response);
      } else if (message.kind === "ended") {
        reject(new CallFailed(message.fault ?? localFault("CANCELLED", "the call came to nothing")));
      }
    });
    options.signal?.addEventListener("abort", () => say({ kind: "cancel", id }), { once: true });
    say({ kind: "call", id, service, method, request, timeoutMs: options.timeoutMs });
  });
}

async function* readStream(
  service: string,
  method: string,
  request: unknown,
  signal: AbortSignal | undefined,
): AsyncGenerator<MessageShape<DescMessage>, void, undefined> {
  const waiting: FromWorker[] = [];
  let wake = (): void => undefined;
  const id = ask((message) => {
    waiting.push(message);
    wake();
  });
  signal?.addEventListener("abort", () => say({ kind: "cancel", id }), { once: true });
  say({ kind: "open", id, service, method, request, credit: CREDIT });
  try {
    for (;;) {
      const message = waiting.shift();
      if (message === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
      } else if (message.kind === "message") {
        yield message.message as MessageShape<DescMessage>;
        say({ kind: "credit", id, messages: 1 });
      } else if (message.kind === "ended") {
        if (message.fault !== undefined && signal?.aborted !== true) {
          throw new CallFailed(message.fault);
        }
        return;
      }
    }
  } finally {
    forget(id);
    say({ kind: "cancel", id });
  }
}
