/** Commands to trainings: taken once, kept in the log, handed on, answered. */
import { clone } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CommandResult,
  CommandType,
  type ControlCommand,
  ControlCommandSchema,
} from "@catenary/contract/catenary/telemetry/v1/command_pb";
import type { SendCommandRequest } from "@catenary/contract/catenary/telemetry/v1/command_request_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { Failure } from "../failure.js";
import { encode } from "./run.js";
import type { LiveRun, Runs } from "./runs.js";

const LIFE_MS = 60_000;

/** Send a command, or find what became of one that was sent before. */
export async function send(runs: Runs, request: SendCommandRequest): Promise<{ command: ControlCommand; result?: CommandResult }> {
  const live = runs.find(request.runId);
  const asked = request.command!; // a rule requires it
  const known = live.run.commands.get(asked.commandId);
  if (known !== undefined && !same(known.command, asked)) {
    throw new Failure(ErrorReason.IDEMPOTENCY_CONFLICT, "the command id belongs to another command; use a new one", {
      resource: { type: "command", name: asked.commandId },
    });
  }
  const command = known?.command ?? take(live, asked);
  await live.untilDurable(live.run.position);
  const until = Date.now() + (request.resultTimeout === undefined ? 0 : durationMs(request.resultTimeout));
  const result = () => live.run.commands.get(command.commandId)?.result;
  while (result() === undefined && Date.now() < until && !live.run.deleted) {
    await live.run.changed.wait({ timeoutMs: until - Date.now() });
  }
  return { command, result: result() };
}

function take(live: LiveRun, asked: ControlCommand): ControlCommand {
  check(live, asked);
  const command = clone(ControlCommandSchema, asked);
  command.createTime = timestampFromMs(Date.now());
  command.expireTime ??= timestampFromMs(Date.now() + LIFE_MS);
  const { case: name, value } = command.argument;
  command.parameters = name === undefined ? {} : { [name === "batchSize" ? "batch_size" : "learning_rate"]: String(value) };
  live.append(encode.command(command));
  live.expireLater(command);
  live.writer?.command(command);
  return command;
}

function check(live: LiveRun, command: ControlCommand): void {
  if (live.run.ended || !live.isLive) {
    throw new Failure(ErrorReason.STATE_INVALID, "the training has ended, or nobody writes to the run now", {
      violations: [{ field: "writer_state", description: "nobody writes" }],
    });
  }
  const capability = live.run.obeys.find(({ type }) => type === command.type);
  if (capability === undefined) throw invalid("command.type", `the training does not obey ${CommandType[command.type]}`);
  const { minimum = -Infinity, maximum = Infinity } = capability;
  const { value } = command.argument;
  if (value !== undefined && (value < minimum || value > maximum)) {
    throw invalid("command.argument", `${value} is not between ${minimum} and ${maximum}, as the training asks`);
  }
}

function same(one: ControlCommand, other: ControlCommand): boolean {
  return one.type === other.type && one.argument.case === other.argument.case && one.argument.value === other.argument.value;
}

function invalid(field: string, description: string): Failure {
  return new Failure(ErrorReason.COMMAND_INVALID, description, { violations: [{ field, description }] });
}
