/** Where a training stands: by a mark and a word, and by colour too. */
import type { JSX } from "preact";
import type { RunView, Status } from "../model/run";
import { Icon, type IconName } from "./icon";

const LOOKS: Readonly<Record<Status, readonly [tone: string, icon: IconName, text: string]>> = {
  initializing: ["info", "clock", "Starting"],
  running: ["live", "live", "Running"],
  paused: ["warn", "pause", "Paused"],
  completed: ["done", "check", "Completed"],
  failed: ["bad", "cross", "Failed"],
  cancelled: ["quiet", "stop", "Cancelled"],
  unknown: ["quiet", "clock", "Unknown"],
};

export function StatusBadge({ status }: { status: Status }): JSX.Element {
  const [tone, icon, text] = LOOKS[status];
  return (
    <span class="badge" data-tone={tone}>
      <Icon name={icon} size={13} />
      {text}
    </span>
  );
}

/** Says that nothing is heard of a training that has not ended; nothing otherwise. */
export function SilentBadge({ run }: { run: RunView }): JSX.Element | null {
  if (run.writer !== "silent") {
    return null;
  }
  return (
    <span class="badge" data-tone="warn" title="Nothing came for three heartbeats">
      <Icon name="warning" size={13} />
      Not heard
    </span>
  );
}
