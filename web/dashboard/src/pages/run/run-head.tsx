/** Name, status and origin of a run, and how much of it the page has. */
import type { JSX } from "preact";
import type { RunView } from "../../model/run";
import { connection } from "../../rpc/port";
import { Icon, type IconName } from "../../parts/icon";
import { formatCount, formatDate } from "../../parts/format";
import { SilentBadge, StatusBadge } from "../../parts/status-badge";
import type { WatchPhase } from "../../watch/view";
import type { RunState } from "./run-state";

export function RunHead({ runId, state }: { runId: string; state: RunState }): JSX.Element {
  const run = state.run.value;
  return (
    <header class="run-head">
      <div class="row">
        <h1>{runId}</h1>
        {run !== undefined && <StatusBadge status={run.status} />}
        {run !== undefined && <SilentBadge run={run} />}
        <PhaseBadge phase={state.phase.value} />
      </div>
      {run !== undefined && <RunAbout run={run} />}
    </header>
  );
}

function RunAbout({ run }: { run: RunView }): JSX.Element {
  const about = [run.model, run.dataset].filter(Boolean).join(" on ");
  return (
    <>
      <div class="row run-about muted small">
        {about !== "" && <span>{about}</span>}
        <span>started {formatDate(run.createdAt)}</span>
        {run.client !== "" && <span>by {run.client}</span>}
        {run.dropped > 0 && (
          <span class="badge" data-tone="warn">
            <Icon name="warning" size={13} />
            {formatCount(run.dropped)} messages dropped by the training
          </span>
        )}
      </div>
      {run.failure !== "" && (
        <p class="problem" role="alert">
          <Icon name="cross" />
          {run.failure}
        </p>
      )}
      {run.tags.length > 0 && (
        <div class="chips">
          {run.tags.map(({ name, value }) => (
            <span key={name} class="chip">
              {name}={value}
            </span>
          ))}
        </div>
      )}
    </>
  );
}

const PHASES: Readonly<Record<WatchPhase, readonly [tone: string, icon: IconName, text: string]>> = {
  waiting: ["warn", "unlinked", "Reconnecting"],
  "catching-up": ["info", "clock", "Catching up"],
  live: ["live", "linked", "Live view"],
  ended: ["quiet", "check", "Complete"],
  failed: ["bad", "cross", "Not watched"],
};

/** How much of the run the page has: live, catching up, reconnecting, complete. */
function PhaseBadge({ phase }: { phase: WatchPhase }): JSX.Element {
  const [tone, icon, text] = PHASES[phase];
  const now = connection.value;
  const seconds = now.phase === "waiting" ? Math.ceil((now.retryAt - Date.now()) / 1000) : 0;
  return (
    <span class="badge" data-tone={tone} data-phase={phase} role="status">
      <Icon name={icon} size={13} />
      {phase === "waiting" && seconds > 1 ? `${text} in ${seconds} s` : text}
    </span>
  );
}
