/** The scalars of a run, and series of them in few points. */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type MetricSeries, MetricSeriesSchema } from "@catenary/contract/catenary/telemetry/v1/metric_pb";
import type { StreamTelemetryRequest } from "@catenary/contract/catenary/telemetry/v1/stream_pb";

export const MOST_METRICS = 1000;

interface Sample {
  step: bigint;
  timeMs: bigint;
  value: number;
}

/** Samples by the name of their metric, in the order in which they came. */
export class Metrics {
  private readonly samples = new Map<string, Sample[]>();

  /** The names, in alphabetical order. */
  names(): string[] {
    return [...this.samples.keys()].sort();
  }

  /** True if the run would have more metrics than it may. */
  overflows(message: StreamTelemetryRequest): boolean {
    const unknown = new Set([...scalars(message, 0n)].map(([name]) => name).filter((name) => !this.samples.has(name)));
    return unknown.size > 0 && this.samples.size + unknown.size > MOST_METRICS;
  }

  /** Take in the scalars of a message; those without a step belong to the one that the run is at. */
  learn(message: StreamTelemetryRequest, step: bigint): void {
    for (const [name, sample] of scalars(message, step)) {
      const known = this.samples.get(name);
      if (known === undefined) this.samples.set(name, [sample]);
      else known.push(sample);
    }
  }

  /** One metric over a range of steps, in at most so many points, each with the least and greatest of its samples. */
  series(name: string, mostPoints: number, from?: bigint, to?: bigint): MetricSeries {
    const inRange = (this.samples.get(name) ?? [])
      .filter(({ step }) => (from === undefined || step >= from) && (to === undefined || step <= to))
      .sort((a, b) => (a.step < b.step ? -1 : a.step > b.step ? 1 : 0));
    const perPoint = Math.max(1, Math.ceil(inRange.length / Math.max(mostPoints, 1)));
    const points: Sample[][] = [];
    if (mostPoints > 0) for (let at = 0; at < inRange.length; at += perPoint) points.push(inRange.slice(at, at + perPoint));
    return create(MetricSeriesSchema, {
      metricName: name,
      globalSteps: points.map((point) => point[0]!.step),
      logTimesUnixMs: points.map((point) => point[0]!.timeMs),
      minimums: points.map((point) => extreme(point, Math.min)),
      maximums: perPoint > 1 ? points.map((point) => extreme(point, Math.max)) : [],
      samplesPerPoint: BigInt(perPoint),
      sampleCount: BigInt(inRange.length),
    });
  }
}

function extreme(point: Sample[], of: (a: number, b: number) => number): number {
  const numbers = point.map(({ value }) => value).filter((value) => !Number.isNaN(value));
  return numbers.length === 0 ? NaN : numbers.reduce((a, b) => of(a, b));
}

function* scalars(message: StreamTelemetryRequest, step: bigint): Generator<[string, Sample]> {
  const { payload, timestampMs: sentMs } = message;
  const at = (ownMs: bigint) => (ownMs === 0n ? sentMs : ownMs);
  if (payload.case === "batchData") {
    const { globalStep, batchLoss, batchAccuracy, timestampMs: timeMs } = payload.value;
    yield* named({ batch_loss: batchLoss, batch_accuracy: batchAccuracy }, globalStep ?? step, at(timeMs));
  } else if (payload.case === "epochData") {
    const { averageLoss, averageAccuracy, learningRate, validationLoss, validationAccuracy, timestampMs: timeMs } = payload.value;
    const required = { average_loss: averageLoss, average_accuracy: averageAccuracy, learning_rate: learningRate };
    yield* named({ ...required, validation_loss: validationLoss, validation_accuracy: validationAccuracy }, step, at(timeMs));
  } else if (payload.case === "performanceData") {
    const { timePerBatchMs, currentFps, averageFps, resourceUsage: usage, timestampMs: timeMs } = payload.value;
    yield* named({ time_per_batch_ms: timePerBatchMs, current_fps: currentFps, average_fps: averageFps }, step, at(timeMs));
    const resources = { cpu_percent: usage?.cpuPercent, memory_mb: usage?.memoryMb };
    yield* named({ ...resources, gpu_percent: usage?.gpuPercent, gpu_memory_mb: usage?.gpuMemoryMb }, step, at(timeMs));
  } else if (payload.case === "metricBatch") {
    for (const { metricName, globalStep, value, logTime } of payload.value.samples) {
      yield [metricName, { step: globalStep, timeMs: logTime === undefined ? sentMs : BigInt(timestampMs(logTime)), value }];
    }
  }
}

function* named(values: Record<string, number | undefined>, step: bigint, timeMs: bigint): Generator<[string, Sample]> {
  for (const [name, value] of Object.entries(values)) if (value !== undefined) yield [name, { step, timeMs, value }];
}
