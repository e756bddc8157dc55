/** What a viewer of a run is told: a snapshot, then every event after it, images only as fast as it takes them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type StreamTelemetryRequest } from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import { type BatchData, PayloadClass } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import type { WatchRunRequest, WatchRunResponseSchema } from "@catenary/contract/catenary/telemetry/v1/watch_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { Failure } from "../failure.js";
import { type Entry, Kind, type Run } from "./run.js";
import type { LiveRun } from "./runs.js";

type Seen = MessageInitShape<typeof WatchRunResponseSchema>;
type Event = NonNullable<Seen["event"]>;

const SNAPSHOT_POINTS = 1000;
const MOST_SNAPSHOT_POINTS = 100_000;

/** One viewer's place in a run, and what it was spared. */
export class Watch {
  private readonly dropped = new Map<PayloadClass, bigint>();
  private grown = false;
  private position: number;
  private nextImages = 0;

  constructor(
    private readonly live: LiveRun,
    private readonly request: WatchRunRequest,
  ) {
    const end = live.run.position;
    const after = request.afterSequence;
    this.position = after === undefined || after > BigInt(end) ? end : Number(after);
  }

  /**
   * The snapshot, then the events to the end of the run.
   *
   * Whoever iterates decides the speed: what is newest is asked again for each event, so that a viewer that was away
   * for long gets the images of now and no others.
   */
  async *events(signal: AbortSignal): AsyncGenerator<Seen> {
    const { run } = this.live;
    yield this.seen({ case: "snapshot", value: this.snapshot() });
    for (;;) {
      signal.throwIfAborted(); // with the status: the deadline passed, or the client left
      const entry = run.entries[this.position];
      if (entry !== undefined) {
        this.position = entry.position;
        const event = this.eventOf(entry);
        if (event !== undefined) yield this.seen(event);
      } else if (run.deleted) throw new Failure(ErrorReason.STREAM_SUPERSEDED, "the run was deleted");
      else if (run.ended) return yield this.seen({ case: "runEnded", value: run.describe(this.live.sizeBytes) });
      else await run.changed.wait({ signal });
    }
  }

  private snapshot() {
    const { run } = this.live;
    const names = run.metrics.names();
    const share = Math.floor(MOST_SNAPSHOT_POINTS / Math.max(names.length, 1));
    const points = Math.min(this.request.snapshotPoints ?? SNAPSHOT_POINTS, Math.max(share, 1));
    const withSeries = points > 0 && this.wants(PayloadClass.SCALAR);
    const batch = payloadAt(run, run.newest.images);
    const epoch = payloadAt(run, run.newest.epoch);
    const performance = payloadAt(run, run.newest.performance);
    return {
      run: run.describe(this.live.sizeBytes),
      series: withSeries ? names.map((name) => run.metrics.series(name, points)) : [],
      latestBatch: batch?.case === "batchData" && this.wants(PayloadClass.IMAGE_BATCH) ? whole(run, batch.value) : undefined,
      latestEpoch: epoch?.case === "epochData" ? epoch.value : undefined,
      latestPerformance:
        performance?.case === "performanceData" && this.wants(PayloadClass.PERFORMANCE) ? performance.value : undefined,
      openCommands: [...run.openCommands.values()],
    };
  }

  private eventOf(entry: Entry): Event | undefined {
    const { run } = this.live;
    if (entry.message !== undefined) return this.record(entry, entry.message);
    if (entry.command !== undefined) return { case: "command", value: entry.command };
    const over = run.endPosition !== undefined && entry.position > run.endPosition;
    const tells = entry.kind === Kind.Registered || entry.kind === Kind.WriterChanged;
    return tells && !over ? { case: "runChanged", value: run.describe(this.live.sizeBytes) } : undefined;
  }

  /** What the training said, as this viewer gets it. */
  private record(entry: Entry, message: StreamTelemetryRequest): Event | undefined {
    const { payload } = message;
    if (payload.case === "batchData") return this.batch(entry, message, payload.value);
    if (payload.case === "performanceData") {
      if (!this.wants(PayloadClass.PERFORMANCE)) return undefined;
      if (this.live.run.newest.performance === entry.position) return { case: "record", value: message };
      this.drop(PayloadClass.PERFORMANCE);
      return undefined;
    }
    return payload.case !== "metricBatch" || this.wants(PayloadClass.SCALAR) ? { case: "record", value: message } : undefined;
  }

  /** A batch with its images if it is the newest and time for one; else with what remains of it. */
  private batch(entry: Entry, message: StreamTelemetryRequest, batch: BatchData): Event | undefined {
    const bare: Event = { case: "record", value: { ...message, payload: { case: "batchData", value: { ...batch, images: [] } } } };
    const wanted = this.wants(PayloadClass.IMAGE_BATCH);
    if (batch.images.length === 0 || !wanted) return wanted || this.wants(PayloadClass.SCALAR) ? bare : undefined;
    const now = performance.now();
    if (this.live.run.newest.images === entry.position && now >= this.nextImages) {
      this.nextImages = this.request.imageRateHz === undefined ? 0 : now + 1000 / this.request.imageRateHz;
      return { case: "record", value: { ...message, payload: { case: "batchData", value: whole(this.live.run, batch) } } };
    }
    this.drop(PayloadClass.IMAGE_BATCH);
    return bare;
  }

  private wants(payloadClass: PayloadClass): boolean {
    const { payloadClasses } = this.request;
    return payloadClasses.length === 0 || payloadClasses.includes(payloadClass);
  }

  private drop(payloadClass: PayloadClass): void {
    this.dropped.set(payloadClass, (this.dropped.get(payloadClass) ?? 0n) + 1n);
    this.grown = true;
  }

  private seen(event: Event): Seen {
    const dropped = this.grown ? [...this.dropped].map(([payloadClass, count]) => ({ payloadClass, count })) : [];
    this.grown = false;
    return { sequence: BigInt(this.position), event, dropped };
  }
}

function payloadAt(run: Run, position: number): StreamTelemetryRequest["payload"] | undefined {
  return run.entries[position - 1]?.message?.payload;
}

/** A batch with the images in it that it only names, as far as they are still known. */
function whole(run: Run, batch: BatchData): BatchData {
  const images = batch.images.map((image) =>
    image.imageBytes.length === 0 && image.contentSha256 !== undefined
      ? { ...image, imageBytes: run.image(image.contentSha256) ?? image.imageBytes }
      : image,
  );
  return { ...batch, images };
}
