/** The events of a run in their order: epochs, commands with their outcomes, and the lines of the log. */
import type { ControlCommand } from "@catenary/contract/catenary/telemetry/v1/command_pb";
import type { StreamTelemetryRequest } from "@catenary/contract/catenary/telemetry/v1/stream_pb";
import { PayloadClass, type EpochData, type Gap, type StatusUpdate } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import type { WatchRunResponse } from "@catenary/contract/catenary/telemetry/v1/watch_pb";
import { milliseconds, runView, statusOf, type RunView, type Status } from "../model/run";
import { formatCount, formatShare, formatValue } from "../parts/format";
import { commandText, outcomeText, pendingCommand, withResult } from "./commands";
import type { CommandView, EpochView, LogLine } from "./view";

/** What events add to a page. */
export interface HistoryNews {
  epochs: EpochView[];
  commands: CommandView[];
  log: LogLine[];
}

const TONES: Readonly<Record<Status, LogLine["tone"]>> = {
  initializing: "info",
  running: "good",
  paused: "warn",
  completed: "good",
  failed: "bad",
  cancelled: "quiet",
  unknown: "quiet",
};

export class History {
  readonly #commands = new Map<string, CommandView>();
  #news: HistoryNews = { epochs: [], commands: [], log: [] };
  #sequence: bigint | undefined;
  #time = 0;
  #step = 0;

  /** Position of the last event, to go on after; 0 at first. */
  get sequence(): bigint {
    return this.#sequence ?? 0n;
  }

  /** Take an event in; one that is known already changes nothing. */
  take(response: WatchRunResponse): void {
    const { sequence, event } = response;
    if (event.case === "snapshot" || (this.#sequence !== undefined && sequence <= this.#sequence)) {
      return;
    }
    this.#sequence = sequence;
    const position = Number(sequence);
    switch (event.case) {
      case "record":
        this.#time = Number(event.value.timestampMs) || this.#time;
        this.#record(position, event.value);
        break;
      case "command":
        this.#command(position, event.value);
        break;
      case "runChanged":
        this.#writer(position, runView(event.value));
        break;
      default:
        break;
    }
  }

  /** What came since the last time; undefined for nothing. */
  news(): HistoryNews | undefined {
    const news = this.#news;
    if (news.epochs.length + news.commands.length + news.log.length === 0) {
      return undefined;
    }
    this.#news = { epochs: [], commands: [], log: [] };
    return news;
  }

  #record(sequence: number, { payload }: StreamTelemetryRequest): void {
    switch (payload.case) {
      case "statusUpdate":
        this.#status(sequence, payload.value);
        break;
      case "epochData":
        this.#epoch(sequence, payload.value);
        break;
      case "commandResult": {
        const known = this.#commands.get(payload.value.commandId);
        if (known !== undefined) {
          const done = withResult(known, payload.value);
          this.#step = done.appliedAtStep ?? this.#step;
          this.#changed(done);
          const tone = done.state === "refused" ? "bad" : "good";
          this.#line(sequence, "result", tone, `${commandText(done)} ${outcomeText(done)}`);
        }
        break;
      }
      case "gap":
        this.#line(sequence, "gap", "warn", gapText(payload.value));
        break;
      default:
        break;
    }
  }

  #status(sequence: number, update: StatusUpdate): void {
    const status = statusOf(update.status);
    const text = update.message === "" ? status : `${status}: ${update.message}`;
    this.#line(sequence, "status", TONES[status], text);
  }

  #epoch(sequence: number, epoch: EpochData): void {
    this.#news.epochs.push({
      sequence,
      epoch: epoch.epoch,
      step: this.#step,
      loss: epoch.averageLoss,
      accuracy: epoch.averageAccuracy,
      validationLoss: epoch.validationLoss,
      validationAccuracy: epoch.validationAccuracy,
      learningRate: epoch.learningRate,
      converged: epoch.isConverged,
      at: Number(epoch.timestampMs) || this.#time,
    });
    const accuracy = epoch.validationAccuracy ?? epoch.averageAccuracy;
    const validated = epoch.validationAccuracy === undefined ? "" : "validation ";
    const text = `epoch ${epoch.epoch}: loss ${formatValue(epoch.averageLoss)}, ${validated}accuracy ${formatShare(accuracy)}`;
    this.#line(sequence, "epoch", "quiet", epoch.isConverged ? `${text}, converged` : text);
  }

  #command(sequence: number, command: ControlCommand): void {
    const pending = pendingCommand(command);
    this.#time = milliseconds(command.createTime) ?? this.#time;
    this.#changed(pending);
    this.#line(sequence, "command", "info", `${commandText(pending)} sent`);
  }

  #writer(sequence: number, run: RunView): void {
    this.#time = Math.max(this.#time, run.updatedAt);
    const texts = { live: "the training is heard", silent: "the training is not heard any more", closed: "the training hung up", unknown: "the run changed" };
    this.#line(sequence, "writer", run.writer === "silent" ? "warn" : "quiet", texts[run.writer]);
  }

  #changed(command: CommandView): void {
    this.#commands.set(command.id, command);
    this.#news.commands.push(command);
  }

  #line(sequence: number, kind: LogLine["kind"], tone: LogLine["tone"], text: string): void {
    this.#news.log.push({ sequence, at: this.#time, kind, tone, text });
  }
}

function gapText(gap: Gap): string {
  const what = gap.payloadClass === PayloadClass.IMAGE_BATCH ? "batches with images" : "messages";
  return `${formatCount(Number(gap.droppedCount))} ${what} were dropped by the training (${gap.fromSequence} to ${gap.toSequence})`;
}
