/** Commands of a run and what became of them. */
import type {
  CommandResult,
  CommandSetting,
  ControlCommand,
} from "@catenary/contract/catenary/telemetry/v1/command_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { commandNameOf, milliseconds, statusOf } from "../model/run";
import { formatValue } from "../parts/format";
import type { CommandView } from "./view";

/** A command that has no result yet. */
export function pendingCommand(command: ControlCommand): CommandView {
  return {
    id: command.commandId,
    name: commandNameOf(command.type),
    argument: command.argument.value,
    state: "pending",
    sentAt: milliseconds(command.createTime) ?? 0,
    appliedAtStep: undefined,
    before: "",
    after: "",
    reason: "",
  };
}

/** The same command with its result. */
export function withResult(command: CommandView, { outcome }: CommandResult): CommandView {
  switch (outcome.case) {
    case "applied":
      return {
        ...command,
        state: "applied",
        appliedAtStep: Number(outcome.value.appliedAtStep),
        before: settingText(outcome.value.oldSetting),
        after: settingText(outcome.value.newSetting),
      };
    case "refused": {
      const reason = ErrorReason[outcome.value.reason];
      return { ...command, state: "refused", reason: [reason, outcome.value.message].filter(Boolean).join(": ") };
    }
    case undefined:
      return command;
  }
}

/** A command in words, such as `learning rate 0.05`. */
export function commandText(command: Pick<CommandView, "name" | "argument">): string {
  const name = command.name.replace("-", " ");
  return command.argument === undefined ? name : `${name} ${formatValue(command.argument)}`;
}

/** What became of a command, in words. */
export function outcomeText(command: CommandView): string {
  switch (command.state) {
    case "pending":
      return "pending";
    case "applied": {
      const change = command.before === "" && command.after === "" ? "" : `: ${command.before} \u2192 ${command.after}`;
      return `applied at step ${command.appliedAtStep ?? 0}${change}`;
    }
    case "refused":
      return `refused: ${command.reason}`;
  }
}

function settingText(setting: CommandSetting | undefined): string {
  switch (setting?.value.case) {
    case "batchSize":
      return String(setting.value.value);
    case "learningRate":
      return formatValue(setting.value.value);
    case "status":
      return statusOf(setting.value.value);
    default:
      return "";
  }
}
