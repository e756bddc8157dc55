/** What a session does: by a mark and a word, and by colour too. */
import type { JSX } from "preact";
import { Icon, type IconName } from "../../parts/icon";
import type { SessionStateName } from "./session";

const LOOKS: Readonly<Record<SessionStateName, readonly [tone: string, icon: IconName, text: string]>> = {
  idle: ["quiet", "empty", "No pipeline"],
  loading: ["info", "clock", "Loading"],
  ready: ["done", "check", "Ready"],
  training: ["live", "live", "Training"],
  failed: ["bad", "cross", "Failed"],
  closing: ["quiet", "stop", "Closing"],
  unknown: ["quiet", "clock", "Unknown"],
};

export function SessionBadge({ state }: { state: SessionStateName }): JSX.Element {
  const [tone, icon, text] = LOOKS[state];
  return (
    <span class="badge" data-tone={tone}>
      <Icon name={icon} size={13} />
      {text}
    </span>
  );
}
