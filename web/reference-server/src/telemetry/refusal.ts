/** What of a message is refused in band: the message goes, or one of its images, and the stream goes on. */
import {
  type StreamTelemetryRequest,
  StreamTelemetryRequestSchema,
} from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import type { ImageData } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { violations } from "../contract.js";
import { imageHeader } from "./image.js";
import type { TelemetryLimits } from "./limits.js";
import { MOST_METRICS } from "./metrics.js";
import type { Run } from "./run.js";

/** Why a message, or the image of this index in it, is not taken. */
export interface Refusal {
  reason: ErrorReason;
  text: string;
  imageIndex?: number;
}

const IMAGE_FIELD = /^batch_data\.images\[(\d+)\]/;
const FARTHEST_GAP = 1_000_000_000n;

/** Why a message as a whole is not taken. */
export function refusal(run: Run, message: StreamTelemetryRequest, limits: TelemetryLimits): Refusal | undefined {
  const broken = ruleViolations(message).find(({ field }) => !IMAGE_FIELD.test(field));
  const text = broken === undefined ? limitBroken(message, limits) : `${broken.field}: ${broken.description}`;
  if (text !== undefined) return { reason: ErrorReason.FIELD_INVALID, text };
  const { payload } = message;
  if (payload.case === "statusUpdate" && !run.mayBecome(payload.value.status)) {
    return { reason: ErrorReason.STATE_INVALID, text: "a training in this status cannot change to that one" };
  }
  if (payload.case === "commandResult" && !run.openCommands.has(payload.value.commandId)) {
    return { reason: ErrorReason.COMMAND_INVALID, text: "no command with this id waits for a result" };
  }
  if (run.metrics.overflows(message)) {
    return { reason: ErrorReason.FIELD_INVALID, text: `a run has at most ${MOST_METRICS} metrics; use fewer names` };
  }
  if (payload.case === "gap" && payload.value.toSequence > run.received + FARTHEST_GAP) {
    return { reason: ErrorReason.FIELD_INVALID, text: "the gap reaches too far ahead" };
  }
  return undefined;
}

/** The images of a batch that are not taken. */
export function imageRefusals(run: Run, message: StreamTelemetryRequest, limits: TelemetryLimits): Refusal[] {
  if (message.payload.case !== "batchData") return [];
  const ruled = new Map<number, string>();
  for (const { field, description } of ruleViolations(message)) {
    const match = IMAGE_FIELD.exec(field);
    if (match !== null) ruled.set(Number(match[1]), description);
  }
  const sent = new Set<string>(); // a batch may name an image that it holds itself
  return message.payload.value.images.flatMap((image, imageIndex) => {
    const digest = image.contentSha256 === undefined ? "" : Buffer.from(image.contentSha256).toString("hex");
    const named = image.imageBytes.length === 0 && sent.has(digest);
    const text = ruled.get(imageIndex) ?? (named ? undefined : imageFault(run, image, limits));
    if (text === undefined && digest !== "") sent.add(digest);
    return text === undefined ? [] : [{ reason: ErrorReason.IMAGE_INVALID, text, imageIndex }];
  });
}

/** The broken rules; the bytes of images have none, and are left out of what is checked. */
function ruleViolations(message: StreamTelemetryRequest) {
  const { payload } = message;
  if (payload.case !== "batchData" || payload.value.images.length === 0) {
    return violations(StreamTelemetryRequestSchema, message);
  }
  const images = payload.value.images.map((image) => ({ ...image, imageBytes: new Uint8Array() }));
  const value = { ...payload.value, images };
  return violations(StreamTelemetryRequestSchema, { ...message, payload: { case: "batchData", value } } as StreamTelemetryRequest);
}

function limitBroken(message: StreamTelemetryRequest, limits: TelemetryLimits): string | undefined {
  if (message.payload.case !== "batchData") return undefined;
  const { images, predictions, groundTruth } = message.payload.value;
  if (images.length > limits.maxImagesPerBatch) return `a batch carries at most ${limits.maxImagesPerBatch} images`;
  const labelled = Math.max(predictions.length, groundTruth.length);
  return labelled > limits.maxBatchSize ? `labels are taken for at most ${limits.maxBatchSize} samples` : undefined;
}

function imageFault(run: Run, image: ImageData, limits: TelemetryLimits): string | undefined {
  if (image.imageBytes.length === 0) {
    if (image.contentSha256 === undefined) return "send the image, or the hash of one that was sent before";
    return run.image(image.contentSha256) === undefined ? "no image with this hash was sent lately; send it in full" : undefined;
  }
  const header = imageHeader(image.imageBytes);
  if (header === undefined) return "this is no JPEG, PNG or WebP image";
  const { format, width, height } = header;
  const largest = Math.max(width, height, image.width, image.height);
  if (largest > limits.maxImageDimension) return `images have at most ${limits.maxImageDimension} pixels a side`;
  if (image.format !== "" && image.format !== format) return `this is a ${format} image, not ${image.format}`;
  const stated = [image.width || width, image.height || height];
  return stated[0] === width && stated[1] === height ? undefined : `the image has ${width} x ${height} pixels`;
}
