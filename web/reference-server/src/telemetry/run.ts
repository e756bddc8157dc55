/** A run: what its log amounts to. Entries go in one after the other, live or when the log is read again. */
import { clone, create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CommandCapability,
  CommandCapabilitySchema,
  type CommandResult,
  type ControlCommand,
  ControlCommandSchema,
} from "@catenary/contract/catenary/telemetry/v1/command_pb";
import { type RegisterTrainingSessionRequest, RegisterTrainingSessionRequestSchema } from "@catenary/contract/catenary/telemetry/v1/registration_pb";
import { type Run as RunMessage, RunSchema, WriterState } from "@catenary/contract/catenary/telemetry/v1/run_pb";
import { type StreamTelemetryRequest, StreamTelemetryRequestSchema } from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import type { Gap, PayloadClass } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import { type TrainingConfig, TrainingConfigSchema, TrainingStatus } from "@catenary/contract/catenary/telemetry/v1/training_pb";
import { Metrics } from "./metrics.js";
import { Signal } from "./signal.js";

/** What an entry of the log is; the first of its bytes, in front of the time in Unix milliseconds. */
export enum Kind {
  Registered = 1,
  Message = 2,
  Command = 3,
  WriterChanged = 4,
  Ended = 5,
  Passed = 6,
}

/** One entry: its position in the log, counted from 1, and what it says. */
export interface Entry {
  position: number;
  kind: Kind;
  message?: StreamTelemetryRequest;
  command?: ControlCommand;
}

/** A registration as the log keeps it. */
export interface Registration {
  runId: string;
  createTime: number;
  writerEpoch: string;
  resumeToken: string;
  fresh: boolean;
  digest: string;
  request: string;
}

const FINAL = [TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.CANCELLED];
const LEGAL = new Map([
  [TrainingStatus.INITIALIZING, [TrainingStatus.RUNNING, TrainingStatus.FAILED, TrainingStatus.CANCELLED]],
  [TrainingStatus.RUNNING, [TrainingStatus.PAUSED, ...FINAL]],
  [TrainingStatus.PAUSED, [TrainingStatus.RUNNING, ...FINAL]],
]);
const KEPT_IMAGES = 256;
const HEADER_BYTES = 9;

/** Everything about one run. */
export class Run {
  readonly entries: Entry[] = [];
  readonly metrics = new Metrics();
  readonly changed = new Signal();
  readonly openCommands = new Map<string, ControlCommand>();
  readonly commands = new Map<string, { command: ControlCommand; result?: CommandResult }>();
  readonly requests = new Map<string, { digest: string; epoch: bigint; token: string }>();
  readonly newest = { images: 0, performance: 0, epoch: 0 };
  runId = "";
  createTime = 0;
  updateTime = 0;
  startTime: number | undefined;
  endTime: number | undefined;
  clientName = "";
  clientVersion = "";
  tags: Record<string, string> = {};
  obeys: CommandCapability[] = [];
  config: TrainingConfig | undefined;
  status = TrainingStatus.INITIALIZING;
  failure = "";
  writerState = WriterState.LIVE;
  writerEpoch = 0n;
  resumeToken = "";
  received = 0n;
  steps = 0n;
  durable = 0;
  endPosition: number | undefined;
  deleted = false;
  private gaps: { from: bigint; to: bigint }[] = [];
  private readonly dropped = new Map<PayloadClass, bigint>();
  private readonly images = new Map<string, Uint8Array>();

  /** True after a final status, until the run is registered again. */
  get ended(): boolean {
    return FINAL.includes(this.status);
  }

  /** The position of the last entry. */
  get position(): number {
    return this.entries.length;
  }

  /** Whether a training in this status may report that one; to repeat a status is no change. */
  mayBecome(status: TrainingStatus): boolean {
    return status === this.status || (LEGAL.get(this.status) ?? []).includes(status);
  }

  /** The first sequence that would have to come before this one; none if it is next, old, or behind a gap. */
  missingBefore(sequence: bigint): bigint | undefined {
    let expected = this.received + 1n;
    while (expected < sequence) {
      const next = expected;
      const covering = this.gaps.filter(({ from, to }) => from <= next && next <= to).map(({ to }) => to);
      if (covering.length === 0) return expected;
      expected = covering.reduce((a, b) => (a > b ? a : b)) + 1n;
    }
    return undefined;
  }

  /** Take in an entry as the log has it; returns it with its place. */
  apply(bytes: Uint8Array): Entry {
    const kind = bytes[0] as Kind;
    const content = bytes.subarray(HEADER_BYTES);
    const entry: Entry = { position: this.position + 1, kind };
    this.entries.push(entry);
    this.updateTime = Number(Buffer.from(bytes.subarray(1, HEADER_BYTES)).readBigUInt64LE());
    if (kind === Kind.Registered) this.register(JSON.parse(Buffer.from(content).toString()) as Registration);
    else if (kind === Kind.Message) this.say(entry, fromBinary(StreamTelemetryRequestSchema, content));
    else if (kind === Kind.Command) this.take(entry, fromBinary(ControlCommandSchema, content));
    else if (kind === Kind.WriterChanged) this.writerState = content[0] as WriterState;
    else if (kind === Kind.Ended) this.endPosition = entry.position;
    else this.pass(BigInt(Buffer.from(content).toString()));
    return entry;
  }

  /** An image that the run sent lately, by its hash. */
  image(digest: Uint8Array): Uint8Array | undefined {
    return this.images.get(Buffer.from(digest).toString("hex"));
  }

  /** The run as the contract tells it. */
  describe(storedBytes: number): RunMessage {
    return create(RunSchema, {
      runId: this.runId,
      status: this.status,
      writerState: this.writerState,
      clientName: this.clientName,
      clientVersion: this.clientVersion,
      tags: this.tags,
      createTime: timestampFromMs(this.createTime),
      updateTime: timestampFromMs(this.updateTime),
      startTime: this.startTime === undefined ? undefined : timestampFromMs(this.startTime),
      endTime: this.endTime === undefined ? undefined : timestampFromMs(this.endTime),
      config: this.config,
      failure: this.status === TrainingStatus.FAILED ? { message: this.failure } : undefined,
      commands: this.obeys,
      metricNames: this.metrics.names(),
      lastSequence: BigInt(this.position),
      storedBytes: BigInt(storedBytes),
      dropped: [...this.dropped].map(([payloadClass, count]) => ({ payloadClass, count })),
    });
  }

  private register(registration: Registration): void {
    const request = fromJsonString(RegisterTrainingSessionRequestSchema, registration.request);
    const keep = request.resumeToken !== "";
    const given = Object.keys(request.tags).length > 0;
    this.runId = registration.runId;
    this.createTime = registration.createTime;
    this.writerEpoch = BigInt(registration.writerEpoch);
    this.resumeToken = registration.resumeToken;
    this.writerState = WriterState.LIVE;
    this.clientName = request.clientName;
    this.clientVersion = request.clientVersion;
    this.tags = keep && !given ? this.tags : request.tags;
    this.obeys = keep && request.commands.length === 0 ? this.obeys : request.commands.map((each) => clone(CommandCapabilitySchema, each));
    this.config = keep && request.config === undefined ? this.config : request.config;
    if (registration.fresh) {
      this.status = TrainingStatus.INITIALIZING;
      this.failure = "";
      this.endTime = this.endPosition = undefined;
    }
    if (request.requestId !== "") {
      const { digest, resumeToken: token } = registration;
      this.requests.set(request.requestId, { digest, epoch: this.writerEpoch, token });
    }
  }

  private say(entry: Entry, message: StreamTelemetryRequest): void {
    entry.message = message;
    const { payload } = message;
    if (payload.case === "gap") this.miss(payload.value);
    if (message.sequence !== undefined) this.pass(message.sequence);
    if (payload.case === "batchData") {
      this.steps = payload.value.globalStep ?? this.steps + 1n;
      if (payload.value.images.length > 0) this.newest.images = entry.position;
      this.remember(message);
    } else if (payload.case === "epochData") this.newest.epoch = entry.position;
    else if (payload.case === "performanceData") this.newest.performance = entry.position;
    else if (payload.case === "statusUpdate") {
      this.enter(payload.value.status);
      this.failure = payload.value.status === TrainingStatus.FAILED ? payload.value.message : "";
      this.config = payload.value.config ?? this.config;
    } else if (payload.case === "commandResult") {
      this.openCommands.delete(payload.value.commandId);
      const known = this.commands.get(payload.value.commandId);
      if (known !== undefined) known.result = payload.value;
    } else if (payload.case === "metricBatch") {
      for (const { globalStep } of payload.value.samples) if (globalStep > this.steps) this.steps = globalStep;
    }
    const runs = payload.case === "batchData" || payload.case === "metricBatch";
    if (runs && this.status === TrainingStatus.INITIALIZING) this.enter(TrainingStatus.RUNNING);
    this.metrics.learn(message, this.steps);
  }

  private take(entry: Entry, command: ControlCommand): void {
    entry.command = command;
    this.openCommands.set(command.commandId, command);
    this.commands.set(command.commandId, { command });
  }

  private pass(sequence: bigint): void {
    if (sequence > this.received) this.received = sequence;
    this.gaps = this.gaps.filter(({ to }) => to > this.received);
  }

  private miss(gap: Gap): void {
    this.dropped.set(gap.payloadClass, (this.dropped.get(gap.payloadClass) ?? 0n) + gap.droppedCount);
    const whole = gap.droppedCount === gap.toSequence - gap.fromSequence + 1n;
    if (whole && gap.fromSequence <= this.received + 1n) this.pass(gap.toSequence);
    else if (gap.toSequence > this.received) this.gaps.push({ from: gap.fromSequence, to: gap.toSequence });
  }

  private enter(status: TrainingStatus): void {
    this.status = status;
    if (status === TrainingStatus.RUNNING) this.startTime ??= this.updateTime;
    if (this.ended) this.endTime = this.updateTime;
  }

  private remember(message: StreamTelemetryRequest): void {
    if (message.payload.case !== "batchData") return;
    for (const { imageBytes, contentSha256 } of message.payload.value.images) {
      if (imageBytes.length === 0 || contentSha256 === undefined) continue;
      this.images.set(Buffer.from(contentSha256).toString("hex"), imageBytes);
      if (this.images.size > KEPT_IMAGES) this.images.delete(this.images.keys().next().value!);
    }
  }
}

/** The bytes of an entry. */
export const encode = {
  registered: (registration: Registration) => bytes(Kind.Registered, Buffer.from(JSON.stringify(registration))),
  message: (message: StreamTelemetryRequest) => bytes(Kind.Message, toBinary(StreamTelemetryRequestSchema, message)),
  command: (command: ControlCommand) => bytes(Kind.Command, toBinary(ControlCommandSchema, command)),
  writerChanged: (state: WriterState) => bytes(Kind.WriterChanged, Uint8Array.of(state)),
  ended: () => bytes(Kind.Ended, new Uint8Array()),
  passed: (sequence: bigint) => bytes(Kind.Passed, Buffer.from(String(sequence))),
};

/** A registration's request as the log keeps it. */
export function requestText(request: RegisterTrainingSessionRequest): string {
  return toJsonString(RegisterTrainingSessionRequestSchema, request);
}

function bytes(kind: Kind, content: Uint8Array): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES, kind);
  header.writeBigUInt64LE(BigInt(Date.now()), 1);
  return Buffer.concat([header, content]);
}
