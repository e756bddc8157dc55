/** The run as it is now: what the snapshot said and what the training said since. */
import type { StreamTelemetryRequest } from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import type { BatchData, PerformanceData } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import type { RunSnapshot, WatchRunResponse } from "@catenary/contract/catenary/telemetry/v1/watch_pb";
import { configView, isFinal, runView, statusOf, type RunView } from "../model/run";
import { Curve } from "./curve";
import { samplesOf } from "./samples";
import type { BatchView, CurveView, PerformanceView } from "./view";

export class LiveState {
  readonly #curves = new Map<string, Curve>();
  readonly #changed = new Set<string>();
  #step = 0;
  #historyEnd = 0;
  run: RunView | undefined;
  batch: BatchView | undefined;
  performance: PerformanceView | undefined;

  /** Steps done at the last batch. */
  get step(): number {
    return this.#step;
  }

  get ended(): boolean {
    return this.run !== undefined && isFinal(this.run.status);
  }

  /** Take a message of the watch in. Returns the batch whose images it brings, if it does. */
  take({ sequence, event }: WatchRunResponse): BatchData | undefined {
    switch (event.case) {
      case "snapshot":
        return this.#snapshot(event.value);
      case "record":
        return this.#record(event.value, Number(sequence));
      case "runChanged":
      case "runEnded":
        this.run = runView(event.value);
        return undefined;
      default:
        return undefined;
    }
  }

  /** Whether any of these curves changed since `curves` last gave them. */
  hasNews(names: readonly string[]): boolean {
    return names.some((name) => this.#changed.has(name));
  }

  /** The curves that changed, of those that are wanted. */
  curves(names: readonly string[], points: number): CurveView[] {
    const wanted = names.filter((name) => this.#changed.delete(name));
    return wanted.map((name) => (this.#curves.get(name) ?? new Curve(name)).view(points));
  }

  /** Have the next `curves` give these anew. */
  touch(names: readonly string[]): void {
    for (const name of names) {
      this.#changed.add(name);
    }
  }

  #snapshot(snapshot: RunSnapshot): BatchData | undefined {
    this.run = snapshot.run === undefined ? this.run : runView(snapshot.run);
    this.#historyEnd = this.run?.lastSequence ?? 0;
    this.#curves.clear();
    for (const series of snapshot.series) {
      this.#curve(series.metricName).reset(series, this.#historyEnd);
      this.#changed.add(series.metricName);
    }
    this.#step = Math.max(0, ...[...this.#curves.values()].map((curve) => curve.lastStep));
    this.performance = snapshot.latestPerformance && performanceView(snapshot.latestPerformance);
    if (snapshot.latestBatch !== undefined) {
      this.#batch(snapshot.latestBatch, this.#step);
    }
    return withImages(snapshot.latestBatch);
  }

  #record(record: StreamTelemetryRequest, sequence: number): BatchData | undefined {
    const { payload } = record;
    let batch: BatchData | undefined;
    switch (payload.case) {
      case "batchData":
        this.#step = payload.value.globalStep === undefined ? this.#countStep(sequence) : Number(payload.value.globalStep);
        this.#batch(payload.value, this.#step);
        batch = withImages(payload.value);
        break;
      case "performanceData":
        this.performance = performanceView(payload.value);
        break;
      case "statusUpdate":
        if (this.run !== undefined) {
          const config = payload.value.config === undefined ? {} : configView(payload.value.config);
          this.run = { ...this.run, ...config, status: statusOf(payload.value.status) };
        }
        break;
      default:
        break;
    }
    for (const { name, step, time, value } of samplesOf(record)) {
      if (this.#curve(name).append(step ?? this.#step, time, value, sequence)) {
        this.#changed.add(name);
      }
    }
    return batch;
  }

  /** Clients of the telemetry proposal number no steps: each batch is one. */
  #countStep(sequence: number): number {
    return sequence <= this.#historyEnd ? this.#step : this.#step + 1;
  }

  #batch(batch: BatchData, step: number): void {
    this.batch = {
      step,
      epoch: batch.epoch,
      batch: batch.batchIdx,
      samples: batch.batchSize,
      loss: batch.batchLoss,
      accuracy: batch.batchAccuracy,
    };
  }

  #curve(name: string): Curve {
    const known = this.#curves.get(name);
    if (known !== undefined) {
      return known;
    }
    const curve = new Curve(name);
    this.#curves.set(name, curve);
    if (this.run !== undefined && !this.run.metricNames.includes(name)) {
      this.run = { ...this.run, metricNames: [...this.run.metricNames, name].sort() };
    }
    return curve;
  }
}

/** A batch if it brings images: of those that are left out for this viewer, only what they are is told. */
function withImages(batch: BatchData | undefined): BatchData | undefined {
  return batch?.images.some((image) => image.imageBytes.length > 0) === true ? batch : undefined;
}

function performanceView(figures: PerformanceData): PerformanceView {
  const usage = figures.resourceUsage;
  return {
    currentFps: figures.currentFps,
    averageFps: figures.averageFps,
    batchMs: figures.timePerBatchMs,
    epochSeconds: figures.totalTimeForEpochSec,
    remainingSeconds: figures.estimatedTimeRemainingSec,
    cpuPercent: usage?.cpuPercent,
    memoryBytes: usage && usage.memoryMb * 1e6,
    gpuPercent: usage?.gpuPercent,
    gpuMemoryBytes: usage && usage.gpuMemoryMb * 1e6,
  };
}
