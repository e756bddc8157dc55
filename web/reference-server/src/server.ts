/** The gRPC server: who answers which RPC, in which order it is checked, and what a status carries. */
import http2 from "node:http2";
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type Interceptor, createConnectRouter } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { ConfigService } from "@catenary/contract/catenary/v1/config_service_pb";
import { DatasetService } from "@catenary/contract/catenary/v1/dataset_service_pb";
import { DiscoveryService } from "@catenary/contract/catenary/v1/discovery_service_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { InferenceService } from "@catenary/contract/catenary/v1/inference_service_pb";
import { PipelineService } from "@catenary/contract/catenary/v1/pipeline_service_pb";
import { PluginService } from "@catenary/contract/catenary/v1/plugin_service_pb";
import { ProfilingService } from "@catenary/contract/catenary/v1/profiling_service_pb";
import { SessionService } from "@catenary/contract/catenary/v1/session_service_pb";
import { TrainingService } from "@catenary/contract/catenary/v1/training_service_pb";
import { TelemetryService } from "@catenary/contract/catenary/telemetry/v1/telemetry_service_pb";
import { violations } from "./contract.js";
import { CONTROL_SIZE_BYTES, discovery } from "./discovery.js";
import { Failure, fieldInvalid } from "./failure.js";
import { Sessions } from "./sessions.js";
import type { TelemetryLimits } from "./telemetry/limits.js";
import type { Telemetry } from "./telemetry/service.js";
import { fitting } from "./wire.js";

const ABSENT: DescService[] = [
  ConfigService,
  DatasetService,
  InferenceService,
  PipelineService,
  PluginService,
  ProfilingService,
  TrainingService,
];

/** How the library begins its message when bytes are no message of the RPC; the code it gives with it is INTERNAL. */
const UNREADABLE = "parse binary:";

/** A server that can be started once and stopped once. */
export class Server {
  private readonly sessions = new Sessions();
  private readonly http: http2.Http2Server;
  private readonly connections = new Set<http2.ServerHttp2Session>();
  private readonly ending = new AbortController();

  constructor(
    private readonly telemetry: Telemetry,
    limits: TelemetryLimits,
  ) {
    const router = createConnectRouter({
      connect: false,
      grpcWeb: false,
      interceptors: [keepsRules],
      readMaxBytes: CONTROL_SIZE_BYTES,
      shutdownSignal: this.ending.signal,
    });
    router.service(SessionService, this.sessions.service);
    router.service(DiscoveryService, discovery(this.sessions, limits));
    router.service(TelemetryService, telemetry.service);
    const { streamTelemetry } = TelemetryService.method;
    router.rpc(streamTelemetry, telemetry.service.streamTelemetry, { readMaxBytes: limits.maxMessageBytes });
    for (const service of ABSENT) absent(router, service);
    this.http = http2.createServer(listener(router));
    this.http.on("session", (connection) => {
      this.connections.add(connection);
      connection.on("close", () => this.connections.delete(connection));
    });
  }

  /** Listen on the loopback address; returns the port. */
  async start(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.http.once("error", reject);
      this.http.listen(port, "127.0.0.1", resolve);
    });
    const address = this.http.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  /** Stop answering, and end what is under way. */
  async stop(): Promise<void> {
    this.ending.abort(new Failure(ErrorReason.DRAINING, "the server ends; call again in a moment", { retryAfterSeconds: 1 }));
    this.sessions.stop();
    await this.telemetry.stop();
    const closed = new Promise((resolve) => this.http.close(resolve));
    for (const connection of this.connections) connection.destroy();
    await closed;
  }
}

/** Refuse a request that breaks a field rule. The stream of a training checks its own messages, to refuse them in band. */
const keepsRules: Interceptor = (next) => async (request) => {
  if (request.method.methodKind === "bidi_streaming") return next(request);
  if (!request.stream) {
    const broken = violations(request.method.input, request.message);
    if (broken.length > 0) throw fieldInvalid(broken);
    return next(request);
  }
  const { method, message: messages } = request;
  return next({
    ...request,
    message: (async function* () {
      for await (const message of messages) {
        const broken = violations(method.input, message);
        if (broken.length > 0) throw fieldInvalid(broken);
        yield message;
      }
    })(),
  });
};

/** Answer every RPC of a service that this server does not have. */
function absent(router: ConnectRouter, service: DescService): void {
  const refuse = (name: string) => () => {
    throw new Failure(
      ErrorReason.FEATURE_DISABLED,
      `this server does not serve ${name}; GetServerInfo says what it serves`,
    );
  };
  for (const method of service.methods) router.rpc(method, refuse(method.name) as never, { requestGate: refuse(method.name) });
}

/** Hand requests to the router; a status that the library made gets the details that the contract asks for. */
function listener(router: ConnectRouter): (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void {
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get(request.url);
    if (handler === undefined) {
      const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": String(Code.Unimplemented) };
      response.stream.respond(headers, { endStream: true });
      return;
    }
    const asked = universalRequestFromNodeRequest(request, response, undefined, undefined);
    handler({ ...asked, body: fitting(asked.body as AsyncIterable<Uint8Array>) })
      .then((answer) => {
        const { body, trailer } = answer;
        return universalResponseToNodeResponse(body && trailer ? { ...answer, body: explained(body, trailer) } : answer, response);
      })
      .catch((error: unknown) => {
        if (!response.stream.destroyed && ConnectError.from(error).code !== Code.Canceled) console.error(request.url, error);
      });
  };
}

/** The body of an answer, and after its end the details of a status that the library made in front of our code. */
async function* explained(body: AsyncIterable<Uint8Array>, trailer: Headers): AsyncGenerator<Uint8Array> {
  yield* body;
  const code = Number(trailer.get("grpc-status"));
  if (code === 0 || trailer.has("grpc-status-details-bin")) return;
  const message = decodeURIComponent(trailer.get("grpc-message") ?? "");
  const reason = reasonOf(code, message);
  if (reason !== undefined) setTrailerStatus(trailer, new Failure(reason, message));
}

function reasonOf(code: Code, message: string): ErrorReason | undefined {
  if (message.startsWith(UNREADABLE) || code === Code.InvalidArgument) return ErrorReason.MALFORMED_MESSAGE;
  if (code === Code.ResourceExhausted) return ErrorReason.MESSAGE_TOO_LARGE;
  return code === Code.Internal ? ErrorReason.INTERNAL_BUG : undefined;
}
