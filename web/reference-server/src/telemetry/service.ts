/** The eight RPCs of TelemetryService. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { TelemetryService } from "@catenary/contract/catenary/telemetry/v1/telemetry_service_pb";
import { page } from "../pages.js";
import { send } from "./commands.js";
import { TrainingStream } from "./ingest.js";
import type { TelemetryLimits } from "./limits.js";
import { type LiveRun, Runs } from "./runs.js";
import { Watch } from "./watch.js";

const PAGE_SIZE = 100;
const SERIES_POINTS = 1000;

/** Telemetry over a folder. */
export class Telemetry {
  private constructor(private readonly runs: Runs) {}

  /** Read what the folder holds, and take up from there. */
  static async start(folder: string, limits: TelemetryLimits): Promise<Telemetry> {
    return new Telemetry(await Runs.load(folder, limits));
  }

  /** Release every log. */
  stop(): Promise<void> {
    return this.runs.close();
  }

  readonly service: ServiceImpl<typeof TelemetryService> = {
    registerTrainingSession: async (request) => {
      const { live, epoch, token } = await this.runs.register(request);
      const { limits } = this.runs;
      return {
        success: true,
        sessionId: live.run.runId,
        message: "registered",
        serverConfig: {
          maxBatchSize: limits.maxBatchSize,
          maxImageDimension: limits.maxImageDimension,
          heartbeatIntervalMs: limits.heartbeatMs,
          bufferSize: limits.bufferSize,
          maxImagesPerBatch: limits.maxImagesPerBatch,
          maxMessageBytes: BigInt(limits.maxMessageBytes),
        },
        writerEpoch: epoch,
        resumeFromSequence: live.run.received + 1n,
        resumeToken: token,
      };
    },
    streamTelemetry: (messages, { signal }) => new TrainingStream(this.runs).replies(messages, signal),
    listRuns: ({ pageSize, pageToken, statuses, tags }) => {
      const wanted = Object.entries(tags).sort();
      const matching = this.runs
        .list()
        .filter(({ run }) => statuses.length === 0 || statuses.includes(run.status))
        .filter(({ run }) => wanted.every(([key, value]) => run.tags[key] === value))
        .sort((a, b) => place(a) - place(b));
      const found = page(matching, pageSize ?? PAGE_SIZE, pageToken, [[...statuses].sort(), wanted], place);
      return { runs: found.items.map(describe), nextPageToken: found.nextPageToken };
    },
    getRun: ({ runId }) => ({ run: describe(this.runs.find(runId)) }),
    watchRun: (request, { signal }) => new Watch(this.runs.find(request.runId), request).events(signal),
    queryMetrics: ({ runId, metricNames, fromStep, toStep, maxPoints }) => {
      const { metrics } = this.runs.find(runId).run;
      return { series: metricNames.map((name) => metrics.series(name, maxPoints ?? SERIES_POINTS, fromStep, toStep)) };
    },
    sendCommand: (request) => send(this.runs, request),
    deleteRun: async ({ runId }) => ({ freedBytes: BigInt(await this.runs.delete(runId)) }),
  };
}

/** Newest first: the later a run was made, the lower its place. */
function place({ run }: LiveRun): number {
  return -run.createTime;
}

function describe(live: LiveRun) {
  return live.run.describe(live.sizeBytes);
}
