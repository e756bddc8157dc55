/** What the watch of a run tells its page: plain objects, at most some times in a second. */
import type { CommandName, RunView } from "../model/run";
import type { Fault } from "../rpc/fault";

/** How much of the run the page has. */
export type WatchPhase =
  /** Not connected. */
  | "waiting"
  /** Connected; what happened meanwhile is still coming. */
  | "catching-up"
  | "live"
  /** The training ended and everything is here. */
  | "ended"
  | "failed";

/** The last batch. */
export interface BatchView {
  readonly step: number;
  readonly epoch: number;
  readonly batch: number;
  readonly samples: number;
  readonly loss: number;
  readonly accuracy: number;
}

/** A class and how sure the model is of it, from 0 to 1. */
export interface Guess {
  readonly label: string;
  readonly score: number;
}

/** What is known of one tile. */
export interface TileView {
  readonly name: string;
  readonly predicted: string | undefined;
  readonly confidence: number | undefined;
  readonly truth: string | undefined;
  /** Unknown without a prediction or without the truth. */
  readonly right: boolean | undefined;
  readonly guesses: readonly Guess[];
}

/** The tiles that are on the canvas, row by row. */
export interface TilesView {
  readonly columns: number;
  readonly rows: number;
  readonly tiles: readonly TileView[];
  readonly step: number;
}

/** What was drawn last; the times are milliseconds since the Unix epoch, with fractions. */
export interface DrawnView {
  readonly step: number;
  /** When the training logged the batch, by its own clock. */
  readonly loggedAt: number;
  readonly drawnAt: number;
  /** Batches drawn per second, over the last two. */
  readonly rate: number;
  readonly count: number;
}

/** Speed and load, as the training last reported them. Undefined figures are not known. */
export interface PerformanceView {
  readonly currentFps: number;
  readonly averageFps: number;
  readonly batchMs: number;
  readonly epochSeconds: number;
  readonly remainingSeconds: number;
  readonly cpuPercent: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly gpuPercent: number | undefined;
  readonly gpuMemoryBytes: number | undefined;
}

/**
 * A curve. A point stands for `samplesPerPoint` samples, of which it has the least and the greatest value; samples that
 * are no numbers are NaN.
 */
export interface CurveView {
  readonly name: string;
  readonly steps: Float64Array;
  readonly times: Float64Array;
  readonly lows: Float64Array;
  readonly highs: Float64Array;
  readonly samplesPerPoint: number;
}

/** One epoch. */
export interface EpochView {
  readonly sequence: number;
  readonly epoch: number;
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly validationLoss: number | undefined;
  readonly validationAccuracy: number | undefined;
  readonly learningRate: number;
  readonly converged: boolean;
  readonly at: number;
}

/** What became of a command so far. */
export interface CommandView {
  readonly id: string;
  readonly name: CommandName;
  /** The new value that it asks for; undefined for one without. */
  readonly argument: number | undefined;
  readonly state: "pending" | "applied" | "refused";
  readonly sentAt: number;
  /** Optimiser steps done when it took effect. */
  readonly appliedAtStep: number | undefined;
  readonly before: string;
  readonly after: string;
  /** Why it was refused. */
  readonly reason: string;
}

export type LogKind = "status" | "epoch" | "command" | "result" | "gap" | "writer";

/** A line of the run's log. */
export interface LogLine {
  readonly sequence: number;
  readonly at: number;
  readonly kind: LogKind;
  readonly tone: "quiet" | "good" | "bad" | "warn" | "info";
  readonly text: string;
}

/** What changed since the last update; what is missing stayed as it was. */
export interface WatchUpdate {
  readonly phase?: WatchPhase;
  readonly fault?: Fault;
  readonly run?: RunView;
  readonly batch?: BatchView;
  readonly tiles?: TilesView;
  /** Everything that was drawn since the last update that had any, in order. */
  readonly drawn?: readonly DrawnView[];
  readonly performance?: PerformanceView;
  readonly curves?: readonly CurveView[];
  /** New epochs, commands (by id: new or changed) and lines of the log, in order. */
  readonly epochs?: readonly EpochView[];
  readonly commands?: readonly CommandView[];
  readonly log?: readonly LogLine[];
  /** Batches whose images this page did not show. */
  readonly skipped?: number;
}
