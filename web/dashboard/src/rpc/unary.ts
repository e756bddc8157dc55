/** Unary calls: the Connect protocol over HTTP. */
import type { DescMethodUnary, MessageInitShape, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { reasonOf, violationsOf } from "./details";
import type { Fault } from "./fault";

/** A transport that sends the token of the moment with each call. */
export function transport(baseUrl: string, token: () => string): Transport {
  const authorize: Interceptor = (next) => (request) => {
    if (token() !== "") {
      request.header.set("Authorization", `Bearer ${token()}`);
    }
    return next(request);
  };
  return createConnectTransport({ baseUrl, useBinaryFormat: true, interceptors: [authorize] });
}

/** Make a call; raises what the transport raises. */
export async function callUnary(
  over: Transport,
  method: DescMethodUnary,
  request: MessageInitShape<DescMessage>,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<MessageShape<DescMessage>> {
  const response = await over.unary(method, signal, timeoutMs, undefined, request);
  return response.message;
}

/** Whatever a call raised, as a plain object. */
export function faultOf(error: unknown): Fault {
  const failure = ConnectError.from(error);
  const details = failure.details.flatMap((detail) => ("value" in detail && "type" in detail ? [packed(detail)] : []));
  return {
    code: Code[failure.code].replace(/(?!^)([A-Z])/g, "_$1").toUpperCase(),
    reason: reasonOf(details),
    message: failure.rawMessage,
    violations: violationsOf(details),
  };
}

function packed(detail: { type: string; value: unknown }): { type: string; value: Uint8Array } {
  return { type: detail.type, value: detail.value instanceof Uint8Array ? detail.value : new Uint8Array() };
}
