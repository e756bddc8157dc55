/** The values of metrics in a message of a training, by the names that the server stores them under. */
import type { StreamTelemetryRequest } from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import type { BatchData, EpochData, PerformanceData } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import { milliseconds } from "../model/run";

/** One value. */
export interface Sample {
  readonly name: string;
  /** Undefined: it belongs to the step that the run is at. */
  readonly step: number | undefined;
  readonly time: number;
  readonly value: number;
}

/** Every value of a message; none for messages without. */
export function samplesOf({ payload, timestampMs }: StreamTelemetryRequest): Sample[] {
  switch (payload.case) {
    case "batchData":
      return batchSamples(payload.value, timestampMs);
    case "epochData":
      return epochSamples(payload.value, timestampMs);
    case "performanceData":
      return performanceSamples(payload.value, timestampMs);
    case "metricBatch":
      return payload.value.samples.map((sample) => ({
        name: sample.metricName,
        step: Number(sample.globalStep),
        time: milliseconds(sample.logTime) ?? Number(timestampMs),
        value: sample.value,
      }));
    default:
      return [];
  }
}

function batchSamples({ batchLoss, batchAccuracy, globalStep, timestampMs }: BatchData, sentMs: bigint): Sample[] {
  const step = globalStep === undefined ? undefined : Number(globalStep);
  return named({ batch_loss: batchLoss, batch_accuracy: batchAccuracy }, step, Number(timestampMs || sentMs));
}

function epochSamples(epoch: EpochData, sentMs: bigint): Sample[] {
  const values = {
    average_loss: epoch.averageLoss,
    average_accuracy: epoch.averageAccuracy,
    learning_rate: epoch.learningRate,
    validation_loss: epoch.validationLoss,
    validation_accuracy: epoch.validationAccuracy,
  };
  return named(values, undefined, Number(epoch.timestampMs || sentMs));
}

function performanceSamples(figures: PerformanceData, sentMs: bigint): Sample[] {
  const usage = figures.resourceUsage;
  const values = {
    time_per_batch_ms: figures.timePerBatchMs,
    current_fps: figures.currentFps,
    average_fps: figures.averageFps,
    cpu_percent: usage?.cpuPercent,
    memory_mb: usage?.memoryMb,
    gpu_percent: usage?.gpuPercent,
    gpu_memory_mb: usage?.gpuMemoryMb,
  };
  return named(values, undefined, Number(figures.timestampMs || sentMs));
}

function named(values: Readonly<Record<string, number | undefined>>, step: number | undefined, time: number): Sample[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [{ name, step, time, value }]));
}
