/** All runs: their logs, who writes to them, and what happens to them by the clock. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { ControlCommand } from "@catenary/contract/catenary/telemetry/v1/command_pb";
import {
  type RegisterTrainingSessionRequest,
  RegisterTrainingSessionRequestSchema,
} from "@catenary/contract/catenary/telemetry/v1/registration_pb";
import { WriterState } from "@catenary/contract/catenary/telemetry/v1/run_pb";
import { type StreamTelemetryRequest, StreamTelemetryRequestSchema } from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { Failure } from "../failure.js";
import { type TelemetryLimits, silenceMs } from "./limits.js";
import { Log } from "./log.js";
import { type Entry, type Registration, Run, encode, requestText } from "./run.js";

const SUFFIX = ".run";

/** The stream of a training, as a run knows it. */
export interface Writer {
  /** Hand a command on. */
  command(command: ControlCommand): void;
  /** Tell what became durable. */
  durable(): void;
  /** End the stream. */
  end(failure: Failure): void;
}

/** A run with its log, which takes entries. */
export class LiveRun {
  readonly run = new Run();
  writer: Writer | undefined;
  lastHeard = 0;
  private log!: Log;
  private silence: NodeJS.Timeout | undefined;
  private readonly expiries = new Map<string, NodeJS.Timeout>();

  private constructor(private readonly limits: TelemetryLimits) {}

  /** Open the log of a run, new or not, and take in what it holds. */
  static async open(path: string, limits: TelemetryLimits): Promise<LiveRun> {
    const live = new LiveRun(limits);
    let before = 0;
    const { log, entries } = await Log.open(path, (count) => {
      live.run.durable = before + count;
      live.writer?.durable();
      live.run.changed.notify();
    });
    for (const entry of entries) live.run.apply(entry);
    before = live.run.durable = entries.length;
    live.log = log;
    if (live.run.writerState === WriterState.LIVE) live.watchSilence();
    for (const command of live.run.openCommands.values()) live.expireLater(command);
    return live;
  }

  /** Whether somebody writes to the run. */
  get isLive(): boolean {
    return this.run.writerState === WriterState.LIVE && Date.now() - this.lastHeard < silenceMs(this.limits);
  }

  /** Bytes on the disk. */
  get sizeBytes(): number {
    return this.log.sizeBytes;
  }

  /** Store an entry. */
  append(bytes: Uint8Array): Entry {
    this.log.append(bytes);
    const entry = this.run.apply(bytes);
    this.run.changed.notify();
    return entry;
  }

  /** Store what the training says, and note its end behind it. */
  say(message: StreamTelemetryRequest): void {
    const ended = this.run.ended;
    this.append(encode.message(message));
    if (message.payload.case === "commandResult") this.stopExpiry(message.payload.value.commandId);
    if (this.run.ended && !ended) this.append(encode.ended());
  }

  /** Wait until everything up to a position survives a crash. */
  async untilDurable(position: number): Promise<void> {
    while (this.run.durable < position) await this.run.changed.wait();
  }

  /** A writer gave a sign of life. */
  heard(): void {
    this.lastHeard = Date.now();
    if (this.run.writerState !== WriterState.LIVE) this.append(encode.writerChanged(WriterState.LIVE));
    if (this.silence === undefined) this.watchSilence();
  }

  /** A stream ended. After a final status the writer has closed; else it may come back. */
  left(writer: Writer): void {
    if (this.writer !== writer) return;
    this.writer = undefined;
    if (this.run.ended && this.run.writerState === WriterState.LIVE) this.append(encode.writerChanged(WriterState.CLOSED));
  }

  /** Nothing came for too long. */
  silenced(): void {
    if (this.run.writerState !== WriterState.LIVE) return;
    this.append(encode.writerChanged(this.run.ended ? WriterState.CLOSED : WriterState.SILENT));
  }

  /** Refuse a command that has no result when its time is over. */
  expireLater(command: ControlCommand): void {
    const delay = command.expireTime === undefined ? 0 : timestampMs(command.expireTime) - Date.now();
    this.expiries.set(
      command.commandId,
      setTimeout(() => this.say(expired(this.run.runId, command.commandId)), Math.max(delay, 0)),
    );
  }

  /** Stop every timer and release the log. */
  async close(): Promise<void> {
    this.stopTimers();
    await this.log.close();
  }

  /** Remove the run; its viewers are told. Returns the bytes that are free again. */
  async remove(): Promise<number> {
    this.stopTimers();
    const freed = await this.log.remove();
    this.run.deleted = true;
    this.run.changed.notify();
    return freed;
  }

  private stopTimers(): void {
    clearTimeout(this.silence);
    for (const timer of this.expiries.values()) clearTimeout(timer);
  }

  private stopExpiry(commandId: string): void {
    clearTimeout(this.expiries.get(commandId));
    this.expiries.delete(commandId);
  }

  private watchSilence(): void {
    const left = this.lastHeard + silenceMs(this.limits) - Date.now();
    this.silence = setTimeout(() => {
      this.silence = undefined;
      if (Date.now() - this.lastHeard < silenceMs(this.limits)) this.watchSilence();
      else this.silenced();
    }, Math.max(left, 1));
  }
}

/** Every run of the server, by its id. */
export class Runs {
  private readonly runs = new Map<string, LiveRun>();
  private readonly registering = new Map<string, Promise<unknown>>();

  private constructor(
    private readonly folder: string,
    readonly limits: TelemetryLimits,
  ) {}

  /** The runs that a folder holds. */
  static async load(folder: string, limits: TelemetryLimits): Promise<Runs> {
    await mkdir(folder, { recursive: true });
    const all = new Runs(folder, limits);
    for (const name of await readdir(folder)) {
      if (!name.endsWith(SUFFIX)) continue;
      const live = await LiveRun.open(join(folder, name), limits);
      if (live.run.writerEpoch > 0n) all.runs.set(live.run.runId, live);
      else await live.remove();
    }
    return all;
  }

  /** The registered runs, in no order. */
  list(): LiveRun[] {
    return [...this.runs.values()].filter(({ run }) => run.writerEpoch > 0n);
  }

  /** The run of an id that a viewer names. */
  find(runId: string): LiveRun {
    const found = this.runs.get(runId);
    if (found === undefined || found.run.writerEpoch === 0n) {
      throw new Failure(ErrorReason.RUN_NOT_FOUND, "there is no such run; ListRuns says which there are", {
        resource: { type: "run", name: runId },
      });
    }
    return found;
  }

  /** The run that a writer may write to now. */
  writable(runId: string): LiveRun {
    const found = this.runs.get(runId);
    if (found === undefined || found.run.writerEpoch === 0n || found.run.writerState === WriterState.CLOSED) {
      throw notRegistered(runId);
    }
    return found;
  }

  /** Make the caller the writer of a run, which is new, taken over, or starts over. One registration of a run at a time. */
  async register(request: RegisterTrainingSessionRequest): Promise<{ live: LiveRun; epoch: bigint; token: string }> {
    const name = request.sessionId || request.requestId;
    const before = this.registering.get(name) ?? Promise.resolve();
    const mine = before.then(() => this.registerNext(request));
    const settled = mine.catch(() => undefined);
    this.registering.set(name, settled);
    try {
      return await mine;
    } finally {
      if (this.registering.get(name) === settled) this.registering.delete(name);
    }
  }

  /** Remove a run that nobody writes to. */
  async delete(runId: string): Promise<number> {
    const live = this.find(runId);
    if (live.isLive) {
      throw new Failure(ErrorReason.STATE_INVALID, "somebody writes to the run; stop the training first", {
        violations: [{ field: "writer_state", description: "is LIVE" }],
      });
    }
    this.runs.delete(runId);
    return live.remove();
  }

  /** Release every log. */
  async close(): Promise<void> {
    for (const live of this.runs.values()) await live.close();
  }

  /** The time, but later than that of every run before: lists are sorted by it, and pages need an order without ties. */
  private nextCreateTime(): number {
    const newest = Math.max(0, ...this.list().map(({ run }) => run.createTime));
    return Math.max(Date.now(), newest + 1);
  }

  private async registerNext(request: RegisterTrainingSessionRequest) {
    const digest = createHash("sha256").update(toBinary(RegisterTrainingSessionRequestSchema, request)).digest("hex");
    const repeated = this.repeated(request, digest);
    if (repeated !== undefined) return repeated;
    const live = this.registrable(request) ?? (await this.begin(request));
    const { run } = live;
    live.writer?.end(superseded());
    const registration: Registration = {
      runId: run.runId || request.sessionId || randomBytes(24).toString("hex"),
      createTime: run.createTime || this.nextCreateTime(),
      writerEpoch: String(run.writerEpoch + 1n),
      resumeToken: randomBytes(24).toString("hex"),
      fresh: request.resumeToken === "" || run.ended,
      digest,
      request: requestText(request),
    };
    live.lastHeard = Date.now();
    const entry = live.append(encode.registered(registration));
    this.runs.set(run.runId, live);
    live.heard();
    await live.untilDurable(entry.position);
    return { live, epoch: run.writerEpoch, token: run.resumeToken };
  }

  private repeated(request: RegisterTrainingSessionRequest, digest: string) {
    if (request.requestId === "") return undefined;
    const live = this.list().find(({ run }) => run.requests.has(request.requestId));
    const known = live?.run.requests.get(request.requestId);
    if (live === undefined || known === undefined) return undefined;
    if (known.digest !== digest) {
      throw new Failure(ErrorReason.IDEMPOTENCY_CONFLICT, "the request id was used with another registration; use a new one", {
        resource: { type: "request", name: request.requestId },
      });
    }
    return { live, epoch: known.epoch, token: known.token };
  }

  private registrable(request: RegisterTrainingSessionRequest): LiveRun | undefined {
    const live = this.runs.get(request.sessionId);
    if (request.resumeToken !== "" && live?.run.resumeToken !== request.resumeToken) {
      throw new Failure(ErrorReason.STALE_EPOCH, "the resume token is not the run's newest; another writer took over", {
        violations: [{ field: "resume_token", description: "is not the run's newest" }],
      });
    }
    if (request.resumeToken === "" && live?.isLive) {
      throw new Failure(ErrorReason.RUN_EXISTS, "the run is being written; choose another id, or send its resume token", {
        resource: { type: "run", name: request.sessionId },
      });
    }
    return live;
  }

  private begin(request: RegisterTrainingSessionRequest): Promise<LiveRun> {
    const readable = request.sessionId.slice(0, 40).replaceAll(/[^A-Za-z0-9]/g, "-");
    return LiveRun.open(join(this.folder, `${readable}.${randomBytes(8).toString("hex")}${SUFFIX}`), this.limits);
  }
}

/** How the stream of a writer ends whose run another one took. */
export function superseded(): Failure {
  return new Failure(ErrorReason.STREAM_SUPERSEDED, "another writer took this run over; this one must stop");
}

/** How a stream ends that writes to a run it may not write to. */
export function notRegistered(runId: string): Failure {
  return new Failure(ErrorReason.RUN_NOT_REGISTERED, `run ${runId} is not registered here; register it first`, {
    violations: [{ field: "session_id", description: "is not registered" }],
  });
}

function expired(runId: string, commandId: string): StreamTelemetryRequest {
  const refused = { reason: ErrorReason.COMMAND_EXPIRED, message: "the command had no effect before its expire_time" };
  const value = { commandId, outcome: { case: "refused" as const, value: refused } };
  return create(StreamTelemetryRequestSchema, { sessionId: runId, payload: { case: "commandResult", value } });
}
