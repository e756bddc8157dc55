/** A run as the pages show it: plain numbers and text instead of the contract's integers and timestamps. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { CommandType, type CommandCapability } from "@catenary/contract/catenary/telemetry/v1/command_pb";
import { WriterState, type Run } from "@catenary/contract/catenary/telemetry/v1/run_pb";
import { TrainingStatus, type TrainingConfig } from "@catenary/contract/catenary/telemetry/v1/training_pb";

/** Where a training stands. */
export type Status = "initializing" | "running" | "paused" | "completed" | "failed" | "cancelled" | "unknown";

/** What a training can be told. */
export type CommandName = "pause" | "resume" | "stop" | "batch-size" | "learning-rate" | "unknown";

/** A command that a training obeys, with its bounds. */
export interface Capability {
  readonly name: CommandName;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
}

/** A setting of a training by its name. */
export interface Parameter {
  readonly name: string;
  readonly value: string;
}

/** A run. Times are milliseconds since the Unix epoch. */
export interface RunView {
  readonly id: string;
  readonly status: Status;
  /** Whether anybody writes to it now. */
  readonly writer: "live" | "silent" | "closed" | "unknown";
  readonly client: string;
  readonly tags: readonly Parameter[];
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly updatedAt: number;
  readonly endedAt: number | undefined;
  readonly model: string;
  readonly dataset: string;
  readonly totalEpochs: number | undefined;
  readonly batchesPerEpoch: number | undefined;
  readonly batchSize: number | undefined;
  readonly learningRate: number | undefined;
  readonly classNames: readonly string[];
  /** Everything else of the configuration that is set. */
  readonly parameters: readonly Parameter[];
  /** Why it failed; empty unless it did. */
  readonly failure: string;
  readonly commands: readonly Capability[];
  readonly metricNames: readonly string[];
  readonly lastSequence: number;
  readonly storedBytes: number;
  /** Messages that its writers dropped before they reached the server. */
  readonly dropped: number;
}

const STATUSES: Readonly<Record<TrainingStatus, Status>> = {
  [TrainingStatus.UNSPECIFIED]: "unknown",
  [TrainingStatus.INITIALIZING]: "initializing",
  [TrainingStatus.RUNNING]: "running",
  [TrainingStatus.PAUSED]: "paused",
  [TrainingStatus.COMPLETED]: "completed",
  [TrainingStatus.FAILED]: "failed",
  [TrainingStatus.CANCELLED]: "cancelled",
};

const COMMANDS: Readonly<Record<CommandType, CommandName>> = {
  [CommandType.UNSPECIFIED]: "unknown",
  [CommandType.PAUSE_TRAINING]: "pause",
  [CommandType.RESUME_TRAINING]: "resume",
  [CommandType.STOP_TRAINING]: "stop",
  [CommandType.ADJUST_BATCH_SIZE]: "batch-size",
  [CommandType.CHANGE_LEARNING_RATE]: "learning-rate",
};

const WRITERS: Readonly<Record<WriterState, RunView["writer"]>> = {
  [WriterState.UNSPECIFIED]: "unknown",
  [WriterState.LIVE]: "live",
  [WriterState.SILENT]: "silent",
  [WriterState.CLOSED]: "closed",
};

/** The status by its name here; `unknown` for one of a later contract. */
export function statusOf(status: TrainingStatus): Status {
  return (STATUSES as Partial<Record<number, Status>>)[status] ?? "unknown";
}

/** The command by its name here. */
export function commandNameOf(type: CommandType): CommandName {
  return (COMMANDS as Partial<Record<number, CommandName>>)[type] ?? "unknown";
}

/** Whether the training has come to its end. */
export function isFinal(status: Status): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** The run as the pages show it. */
export function runView(run: Run): RunView {
  return {
    id: run.runId,
    status: statusOf(run.status),
    writer: (WRITERS as Partial<Record<number, RunView["writer"]>>)[run.writerState] ?? "unknown",
    client: [run.clientName, run.clientVersion].filter(Boolean).join(" "),
    tags: parametersOf(run.tags),
    createdAt: milliseconds(run.createTime) ?? 0,
    startedAt: milliseconds(run.startTime),
    updatedAt: milliseconds(run.updateTime) ?? 0,
    endedAt: milliseconds(run.endTime),
    ...configView(run.config),
    failure: run.failure?.message ?? "",
    commands: run.commands.map(capabilityOf),
    metricNames: [...run.metricNames],
    lastSequence: Number(run.lastSequence),
    storedBytes: Number(run.storedBytes),
    dropped: run.dropped.reduce((sum, each) => sum + Number(each.count), 0),
  };
}

type ConfigView = Pick<
  RunView,
  "model" | "dataset" | "totalEpochs" | "batchesPerEpoch" | "batchSize" | "learningRate" | "classNames" | "parameters"
>;

/** What a configuration says. */
export function configView(config: TrainingConfig | undefined): ConfigView {
  return config === undefined
    ? NO_CONFIG
    : {
        model: config.modelName,
        dataset: config.datasetName,
        totalEpochs: config.totalEpochs,
        batchesPerEpoch: config.batchesPerEpoch === undefined ? undefined : Number(config.batchesPerEpoch),
        batchSize: config.batchSize,
        learningRate: config.learningRate,
        classNames: [...config.classNames],
        parameters: settingsOf(config),
      };
}

const NO_CONFIG: ConfigView = {
  model: "",
  dataset: "",
  totalEpochs: undefined,
  batchesPerEpoch: undefined,
  batchSize: undefined,
  learningRate: undefined,
  classNames: [],
  parameters: [],
};

/** Milliseconds since the Unix epoch. */
export function milliseconds(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1000 + time.nanos / 1e6;
}

function settingsOf(config: TrainingConfig): Parameter[] {
  const named: [string, string][] = [
    ["optimizer", config.optimizerName],
    ["loss", config.lossName],
    ["device", config.deviceName],
  ];
  const own = parametersOf(config.hyperparameters);
  return [...named.filter(([, value]) => value !== "").map(([name, value]) => ({ name, value })), ...own];
}

function parametersOf(values: Readonly<Record<string, string>>): Parameter[] {
  return Object.entries(values)
    .map(([name, value]) => ({ name, value }))
    .sort((one, other) => one.name.localeCompare(other.name));
}

function capabilityOf({ type, minimum, maximum }: CommandCapability): Capability {
  return { name: commandNameOf(type), minimum, maximum };
}
