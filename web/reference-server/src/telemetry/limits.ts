/** What a writer may send, as RegisterTrainingSession tells it. */
export interface TelemetryLimits {
  maxBatchSize: number;
  maxImageDimension: number;
  heartbeatMs: number;
  bufferSize: number;
  maxImagesPerBatch: number;
  maxMessageBytes: number;
  creditImages: number;
  creditBytes: number;
}

export const DEFAULT_LIMITS: TelemetryLimits = {
  maxBatchSize: 64,
  maxImageDimension: 512,
  heartbeatMs: 2000,
  bufferSize: 1000,
  maxImagesPerBatch: 16,
  maxMessageBytes: 8 << 20,
  creditImages: 4,
  creditBytes: 32 << 20,
};

/** Milliseconds without a message after which a writer no longer counts as live: three heartbeats. */
export function silenceMs(limits: TelemetryLimits): number {
  return 3 * limits.heartbeatMs;
}
