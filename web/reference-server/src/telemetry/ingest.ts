/** Takes what trainings say: each message once, in order, acknowledged when it arrived and again when it is safe. */
import type { ControlCommand } from "@catenary/contract/catenary/telemetry/v1/command_pb";
import { create } from "@bufbuild/protobuf";
import {
  ErrorResponse_ErrorCode as ErrorCode,
  type StreamTelemetryRequest,
  StreamTelemetryRequestSchema,
} from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { Failure } from "../failure.js";
import { silenceMs } from "./limits.js";
import { Outbox, type Reply } from "./outbox.js";
import { type Refusal, imageRefusals, refusal } from "./refusal.js";
import { encode } from "./run.js";
import { type LiveRun, type Runs, type Writer, notRegistered, superseded } from "./runs.js";

interface Unsafe {
  position: number;
  sequence?: bigint;
  batchIdx?: number;
}

/** One stream of one writer. */
export class TrainingStream implements Writer {
  private readonly outbox = new Outbox();
  private live: LiveRun | undefined;
  /** Whether the writer numbers its messages; unknown before the first that could have a number. */
  private numbers: boolean | undefined;
  private unsafe: Unsafe[] = [];
  private safeSequence = 0n;

  constructor(private readonly runs: Runs) {}

  /** Take messages and give replies until either side ends. */
  async *replies(messages: AsyncIterable<StreamTelemetryRequest>, signal: AbortSignal): AsyncGenerator<Reply> {
    void this.read(messages[Symbol.asyncIterator]()).then(
      () => this.outbox.end(),
      (error: unknown) => this.end(error as Error),
    );
    try {
      yield* this.outbox.replies(signal);
    } finally {
      this.outbox.end();
      this.live?.left(this);
    }
  }

  command(command: ControlCommand): void {
    if (this.live === undefined) return;
    this.tell({ case: "command", value: command });
    if (this.numbers === false) this.obeyed(this.live, command);
  }

  durable(): void {
    const { live } = this;
    if (live === undefined) return;
    while (this.unsafe.length > 0 && this.unsafe[0]!.position <= live.run.durable) {
      const { sequence, batchIdx } = this.unsafe.shift()!;
      if (sequence !== undefined && sequence > this.safeSequence) this.safeSequence = sequence;
      if (batchIdx !== undefined) this.tell({ case: "ack", value: { batchIdx, success: true } });
    }
    if (this.numbers) this.acknowledge(live);
  }

  end(failure: Failure | Error): void {
    if (failure instanceof Failure && !this.numbers && !this.outbox.ended) this.fault(failure.reason, failure.rawMessage);
    this.outbox.end(failure);
  }

  private async read(messages: AsyncIterator<StreamTelemetryRequest>): Promise<void> {
    for (let next = await this.next(messages); next.done !== true; next = await this.next(messages)) {
      if (this.outbox.ended) return;
      const message = next.value;
      const unknown = this.numbers === undefined;
      if (unknown && message.payload.case !== "heartbeat") this.numbers = message.writerEpoch !== undefined;
      const live = this.live ?? this.attach(message);
      if (unknown) this.recognize(live);
      live.heard();
      this.take(live, message);
    }
    if (this.live === undefined) return;
    await this.live.untilDurable(this.live.run.position);
    this.durable();
  }

  private async next(messages: AsyncIterator<StreamTelemetryRequest>): Promise<IteratorResult<StreamTelemetryRequest>> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        if (this.live?.writer === this) this.live.silenced();
        const text = "nothing came for three heartbeats; send heartbeats, and register again to go on";
        reject(new Failure(ErrorReason.HEARTBEAT_LOST, text, { retryAfterSeconds: 1 }));
      }, silenceMs(this.runs.limits));
    });
    try {
      return await Promise.race([messages.next(), silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Become the writer of the run that the first message names. */
  private attach(message: StreamTelemetryRequest): LiveRun {
    const live = this.runs.writable(message.sessionId);
    this.checkEpoch(live, message);
    live.writer?.end(superseded());
    live.writer = this;
    this.live = live;
    this.safeSequence = live.run.durable >= live.run.position ? live.run.received : 0n;
    for (const command of live.run.openCommands.values()) this.tell({ case: "command", value: command });
    return live;
  }

  /** It is known now whether the writer numbers: give it credit, or take what it was told for obeyed. */
  private recognize(live: LiveRun): void {
    const { creditImages, creditBytes } = this.runs.limits;
    if (this.numbers) {
      this.tell({ case: "credit", value: { imageMessages: creditImages, messageBytes: BigInt(creditBytes) } });
    } else if (this.numbers === false) {
      for (const command of [...live.run.openCommands.values()]) this.obeyed(live, command);
    }
  }

  private checkEpoch(live: LiveRun, message: StreamTelemetryRequest): void {
    if (message.writerEpoch === undefined || message.writerEpoch === live.run.writerEpoch) return;
    throw new Failure(ErrorReason.STALE_EPOCH, "the epoch is not the run's newest; another writer took over", {
      violations: [{ field: "writer_epoch", description: `is not ${live.run.writerEpoch}` }],
    });
  }

  private take(live: LiveRun, message: StreamTelemetryRequest): void {
    if (message.sessionId !== live.run.runId) throw notRegistered(message.sessionId);
    this.checkEpoch(live, message);
    const refused = refusal(live.run, message, this.runs.limits);
    if (message.payload.case === "heartbeat" && refused === undefined) return;
    if (refused !== undefined && message.sequence === 0n) return this.reject(live, message, refused);
    if (this.arrivedBefore(live, message)) return this.acknowledge(live);
    if (refused !== undefined) return this.reject(live, message, refused);
    if (live.writer !== this) throw superseded();
    this.store(live, message);
  }

  /** Whether a message is a repetition; throws if one before it is missing. */
  private arrivedBefore(live: LiveRun, message: StreamTelemetryRequest): boolean {
    const { sequence, payload } = message;
    if (sequence === undefined) return false;
    if (sequence <= live.run.received) return true;
    const missing = live.run.missingBefore(sequence);
    if (missing === undefined) return false;
    if (payload.case === "gap" && payload.value.fromSequence <= missing && missing <= payload.value.toSequence) return false;
    throw new Failure(ErrorReason.SEQ_GAP, `sequence ${missing} is missing; go on from there, or send a gap`, {
      metadata: { next_seq: String(missing) },
    });
  }

  private store(live: LiveRun, message: StreamTelemetryRequest): void {
    const refused = imageRefusals(live.run, message, this.runs.limits);
    const stored = refused.length === 0 ? message : withoutImages(message, refused.map(({ imageIndex }) => imageIndex));
    live.say(stored);
    const batchIdx = message.payload.case === "batchData" && !this.numbers ? message.payload.value.batchIdx : undefined;
    this.unsafe.push({ position: live.run.position, sequence: message.sequence, batchIdx });
    for (const each of refused) this.reject(live, message, each);
    if (this.numbers) this.acknowledge(live);
  }

  /** Refuse a message, or an image of it; the sequence of the message counts as received. */
  private reject(live: LiveRun, message: StreamTelemetryRequest, refused: Refusal): void {
    const { reason, text, imageIndex } = refused;
    const { sequence } = message;
    if (imageIndex === undefined && sequence !== undefined && sequence > live.run.received) {
      const { position } = live.append(encode.passed(sequence));
      this.unsafe.push({ position, sequence });
    }
    if (this.numbers) this.tell({ case: "rejection", value: { sequence, imageIndex, reason, message: text } });
    else this.fault(reason, text);
  }

  private obeyed(live: LiveRun, command: ControlCommand): void {
    const outcome = { case: "applied" as const, value: { appliedAtStep: live.run.steps } };
    const value = { commandId: command.commandId, outcome };
    live.say(create(StreamTelemetryRequestSchema, { sessionId: live.run.runId, payload: { case: "commandResult", value } }));
  }

  private acknowledge(live: LiveRun): void {
    const { received } = live.run;
    const durableSequence = this.safeSequence < received ? this.safeSequence : received;
    this.outbox.acknowledge(this.reply({ case: "ack", value: { success: true, receivedSequence: received, durableSequence } }));
  }

  private fault(reason: ErrorReason, message: string): void {
    this.tell({ case: "error", value: { code: CODES.get(reason) ?? ErrorCode.INVALID_DATA, message, reason } });
  }

  private tell(payload: Reply["payload"]): void {
    this.outbox.put(this.reply(payload));
  }

  private reply(payload: Reply["payload"]): Reply {
    return { sessionId: this.live?.run.runId ?? "", timestampMs: BigInt(Date.now()), payload };
  }
}

/** What the telemetry proposal calls a reason; everything else is INVALID_DATA to it. */
const CODES = new Map([
  [ErrorReason.RUN_NOT_REGISTERED, ErrorCode.INVALID_SESSION],
  [ErrorReason.STALE_EPOCH, ErrorCode.INVALID_SESSION],
  [ErrorReason.STREAM_SUPERSEDED, ErrorCode.INVALID_SESSION],
  [ErrorReason.HEARTBEAT_LOST, ErrorCode.INVALID_SESSION],
  [ErrorReason.DRAINING, ErrorCode.INTERNAL_ERROR],
  [ErrorReason.BUFFER_FULL, ErrorCode.BUFFER_FULL],
]);

function withoutImages(message: StreamTelemetryRequest, indices: (number | undefined)[]): StreamTelemetryRequest {
  if (message.payload.case !== "batchData") return message;
  const images = message.payload.value.images.filter((_, index) => !indices.includes(index));
  return { ...message, payload: { case: "batchData", value: { ...message.payload.value, images } } };
}
