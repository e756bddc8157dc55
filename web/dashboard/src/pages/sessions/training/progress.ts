/** What the events of a training add up to. */
import { ExecutionStage } from "@catenary/contract/catenary/v1/execution_stage_pb";
import { TrainStatus, TrainerType, type TrainResponse } from "@catenary/contract/catenary/v1/training_pb";
import type { WatchTrainingResponse } from "@catenary/contract/catenary/v1/training_requests_pb";
import type { Status } from "../../../model/run";
import { seconds } from "../session";

/** A loss or metric over the steps of the run. */
export interface ProgressCurve {
  readonly name: string;
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** An epoch: means of its batches, and what the validation found after it. */
export interface EpochRow {
  readonly epoch: number;
  readonly values: Readonly<Record<string, number>>;
}

/** A run so far. */
export interface Progress {
  readonly runId: string;
  readonly phase: "statistical" | "gradient" | "unknown";
  readonly status: Status;
  readonly message: string;
  readonly batchesDone: number;
  readonly batchesTotal: number;
  readonly epochsDone: number;
  readonly epochsTotal: number;
  readonly remainingSeconds: number | undefined;
  readonly learningRate: number | undefined;
  /** Why it ended; empty unless it failed or was cancelled. */
  readonly failure: string;
  /** Position of the last event, to go on after. */
  readonly sequence: bigint;
  /** Events that the server did not keep for this page. */
  readonly dropped: number;
  readonly curves: readonly ProgressCurve[];
  readonly epochs: readonly EpochRow[];
}

interface Sum {
  total: number;
  count: number;
}

const STATUSES: Readonly<Record<TrainStatus, Status>> = {
  [TrainStatus.UNSPECIFIED]: "unknown",
  [TrainStatus.IN_PROGRESS]: "running",
  [TrainStatus.COMPLETED]: "completed",
  [TrainStatus.FAILED]: "failed",
  [TrainStatus.CANCELLED]: "cancelled",
  [TrainStatus.PAUSED]: "paused",
};

const PHASES: Readonly<Record<TrainerType, Progress["phase"]>> = {
  [TrainerType.UNSPECIFIED]: "unknown",
  [TrainerType.STATISTICAL]: "statistical",
  [TrainerType.GRADIENT]: "gradient",
};

/** Takes the events of one run in, in order, each one once. */
export class ProgressLog {
  readonly #curves = new Map<string, { name: string; steps: number[]; values: number[] }>();
  readonly #epochs = new Map<number, Map<string, Sum>>();
  #latest: TrainResponse | undefined;
  #sequence = 0n;
  #dropped = 0;

  get sequence(): bigint {
    return this.#sequence;
  }

  take({ update, droppedCount }: WatchTrainingResponse): void {
    this.#dropped = Number(droppedCount);
    if (update.case === "snapshot") {
      this.#latest = update.value;
    } else if (update.case === "progress" && update.value.sequence > this.#sequence) {
      this.#sequence = update.value.sequence;
      this.#latest = update.value;
      this.#values(update.value);
    }
  }

  /** The run so far; undefined before the first event. */
  view(): Progress | undefined {
    const latest = this.#latest;
    if (latest === undefined) {
      return undefined;
    }
    return {
      runId: latest.runId,
      phase: (PHASES as Partial<Record<number, Progress["phase"]>>)[latest.phase] ?? "unknown",
      status: (STATUSES as Partial<Record<number, Status>>)[latest.status] ?? "unknown",
      message: latest.message,
      batchesDone: Number(latest.batchesDone),
      batchesTotal: Number(latest.batchesTotal),
      epochsDone: Number(latest.epochsDone),
      epochsTotal: Number(latest.epochsTotal),
      remainingSeconds: seconds(latest.remainingTime),
      learningRate: latest.learningRate,
      failure: latest.failure?.message ?? "",
      sequence: this.#sequence,
      dropped: this.#dropped,
      curves: [...this.#curves.values()].map((curve) => ({ ...curve, steps: [...curve.steps], values: [...curve.values] })),
      epochs: [...this.#epochs].map(([epoch, sums]) => ({ epoch, values: means(sums) })),
    };
  }

  #values({ context, losses, metrics }: TrainResponse): void {
    const trains = context?.stage === ExecutionStage.TRAIN || context?.stage === ExecutionStage.VALIDATE;
    const named = Object.entries({ ...losses, ...metrics });
    if (context === undefined || !trains || named.length === 0) {
      return;
    }
    const epoch = this.#epochs.get(context.epoch) ?? new Map<string, Sum>();
    this.#epochs.set(context.epoch, epoch);
    for (const [name, value] of named) {
      const curve = this.#curves.get(name) ?? { name, steps: [], values: [] };
      this.#curves.set(name, curve);
      const again = curve.steps[curve.steps.length - 1] === context.globalStep;
      const place = again ? curve.steps.length - 1 : curve.steps.length; // a curve has one value for a step, the last
      curve.steps[place] = context.globalStep;
      curve.values[place] = value;
      const sum = epoch.get(name) ?? { total: 0, count: 0 };
      epoch.set(name, { total: sum.total + value, count: sum.count + 1 });
    }
  }
}

function means(sums: ReadonlyMap<string, Sum>): Record<string, number> {
  return Object.fromEntries([...sums].map(([name, { total, count }]) => [name, total / count]));
}
