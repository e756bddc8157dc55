/** The last commands and what became of them. */
import type { JSX } from "preact";
import { Icon, type IconName } from "../../parts/icon";
import { formatTime } from "../../parts/format";
import { commandText, outcomeText } from "../../watch/commands";
import type { CommandView } from "../../watch/view";
import type { RunState } from "./run-state";

const SHOWN = 5;

const LOOKS: Readonly<Record<CommandView["state"], readonly [tone: string, icon: IconName]>> = {
  pending: ["info", "clock"],
  applied: ["live", "check"],
  refused: ["bad", "cross"],
};

export function CommandLog({ state }: { state: RunState }): JSX.Element | null {
  const commands = state.commands.value.slice(-SHOWN).reverse();
  if (commands.length === 0) {
    return null;
  }
  return (
    <section class="panel" aria-label="Commands">
      <div class="panel-head">
        <h2>Commands</h2>
      </div>
      <ul class="commands" aria-live="polite">
        {commands.map((command) => (
          <li key={command.id} data-state={command.state}>
            <span class="badge" data-tone={LOOKS[command.state][0]}>
              <Icon name={LOOKS[command.state][1]} size={13} />
              {command.state}
            </span>
            <span class="commands-text">
              <strong>{commandText(command)}</strong>
              <span class="muted small">{command.state === "pending" ? "waits for the end of the batch" : outcomeText(command)}</span>
            </span>
            <time class="muted small numbers">{formatTime(command.sentAt)}</time>
          </li>
        ))}
      </ul>
    </section>
  );
}
