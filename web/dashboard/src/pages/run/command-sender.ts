/** Sends commands to a training, and tells at once that they are under way. */
import { CommandType } from "@catenary/contract/catenary/telemetry/v1/command_pb";
import type { CommandName, RunView } from "../../model/run";
import { isFinal } from "../../model/run";
import { CallFailed, explain } from "../../rpc/fault";
import { telemetry } from "../../rpc/telemetry";
import type { CommandView } from "../../watch/view";
import { merged, type RunState } from "./run-state";

/** A command that can be sent. */
export type Sendable = Exclude<CommandName, "unknown">;

const TYPES: Readonly<Record<Sendable, CommandType>> = {
  pause: CommandType.PAUSE_TRAINING,
  resume: CommandType.RESUME_TRAINING,
  stop: CommandType.STOP_TRAINING,
  "batch-size": CommandType.ADJUST_BATCH_SIZE,
  "learning-rate": CommandType.CHANGE_LEARNING_RATE,
};

/** Send a command; what becomes of it shows in the state. Never raises. */
export async function sendCommand(runId: string, state: RunState, name: Sendable, value?: number): Promise<void> {
  const pending: CommandView = {
    id: newCommandId(),
    name,
    argument: value,
    state: "pending",
    sentAt: Date.now(),
    appliedAtStep: undefined,
    before: "",
    after: "",
    reason: "",
  };
  state.commands.value = merged(state.commands.value, [pending]);
  try {
    const command = { type: TYPES[name], commandId: pending.id, argument: argumentOf(name, value) };
    await telemetry.sendCommand({ runId, command });
  } catch (error) {
    const reason = error instanceof CallFailed && error.fault.reason !== "" ? `${error.fault.reason}: ` : "";
    state.commands.value = merged(state.commands.value, [
      { ...pending, state: "refused", reason: reason + explain(error) },
    ]);
  }
}

/** Why a command cannot be sent now; undefined if it can. */
export function refusalOf(name: Sendable, run: RunView | undefined, allowed: boolean): string | undefined {
  if (!allowed) {
    return "Your token may view but not steer: it lacks the scope telemetry.control";
  }
  if (run === undefined) {
    return "Not connected yet";
  }
  if (isFinal(run.status)) {
    return "The training has ended";
  }
  if (run.writer !== "live") {
    return "Nobody hears commands: the training is not connected to the server";
  }
  return run.commands.some((each) => each.name === name) ? undefined : "This training does not obey this command";
}

function argumentOf(
  name: Sendable,
  value: number | undefined,
): { case: "batchSize" | "learningRate"; value: number } | { case: undefined } {
  switch (name) {
    case "batch-size":
      return { case: "batchSize", value: value ?? 0 };
    case "learning-rate":
      return { case: "learningRate", value: value ?? 0 };
    default:
      return { case: undefined };
  }
}

/** An id that nobody else has; the browser's own UUIDs are for secure contexts only. */
function newCommandId(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `dashboard-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
