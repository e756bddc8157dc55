/** What this server is: sessions and telemetry. It has no pipelines, no node types and no means of training. */
import { randomBytes } from "node:crypto";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Device_Kind } from "@catenary/contract/catenary/v1/discovery_pb";
import type { DiscoveryService } from "@catenary/contract/catenary/v1/discovery_service_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import type { ServiceImpl } from "@connectrpc/connect";
import { Failure } from "./failure.js";
import { page } from "./pages.js";
import { SESSION_LIMITS, type Sessions } from "./sessions.js";
import type { TelemetryLimits } from "./telemetry/limits.js";

export const CONTROL_SIZE_BYTES = 1 << 20;
const UNSAFE_PATH = /(^[/~])|(^|\/)\.\.(\/|$)|[\\:\0%#]|\/\//;

/** The capabilities that the services in `server.ts` amount to. */
const CAPABILITIES = [
  { name: "discovery", revision: 1, description: "Says what the server offers." },
  { name: "sessions", revision: 1, description: "Gives each client an isolated place." },
  { name: "telemetry", revision: 1, description: "Records what trainings say, and lets viewers watch and steer them." },
];

/** Answers what the server is and has. */
export function discovery(sessions: Sessions, limits: TelemetryLimits): ServiceImpl<typeof DiscoveryService> {
  const serverEpoch = randomBytes(16).toString("hex");
  const startTime = timestampFromMs(Date.now());
  return {
    getServerInfo: () => ({
      serverName: "catenary-reference-server",
      serverVersion: "0.1.0",
      contractVersion: "1.0.0",
      capabilities: CAPABILITIES,
      limits: {
        messages: {
          controlSizeBytes: BigInt(CONTROL_SIZE_BYTES),
          telemetrySizeBytes: BigInt(limits.maxMessageBytes),
        },
        sessions: {
          server: { total: SESSION_LIMITS.sessions, used: sessions.count },
          principal: { total: SESSION_LIMITS.sessions, used: sessions.count },
          defaultIdleTimeout: durationFromMs(SESSION_LIMITS.defaultIdleMs),
          minIdleTimeout: durationFromMs(SESSION_LIMITS.minIdleMs),
          maxIdleTimeout: durationFromMs(SESSION_LIMITS.maxIdleMs),
          memoryDuration: durationFromMs(SESSION_LIMITS.rememberedMs),
        },
        storage: { pageSize: 1000 },
      },
      devices: [{ name: "cpu", kind: Device_Kind.CPU, model: process.arch }],
      serverEpoch,
      startTime,
    }),
    listAvailablePipelines: ({ pageToken }) => ({ pipelines: emptyPage(pageToken) }),
    getPipelineInfo: ({ pipelinePath }) => {
      if (UNSAFE_PATH.test(pipelinePath)) {
        throw new Failure(ErrorReason.PATH_INVALID, "the path leaves the roots or has a forbidden form", {
          violations: [{ field: "pipeline_path", description: "has a forbidden form" }],
        });
      }
      throw new Failure(ErrorReason.CONFIG_NOT_FOUND, "there is no such pipeline; this server has none", {
        resource: { type: "pipeline", name: pipelinePath },
      });
    },
    listAvailableNodes: ({ sessionId, pageToken }) => {
      if (sessionId !== "") sessions.find(sessionId);
      return { nodes: emptyPage(pageToken) };
    },
    getTrainingCapabilities: () => ({}),
  };
}

/** The only page of a list of nothing; any token of another one is refused, as by every list. */
function emptyPage(pageToken: string): never[] {
  return page<never>([], 1, pageToken, [], () => 0).items;
}
