/** Pause, resume, stop, learning rate, batch size. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import type { RunView } from "../../model/run";
import { Confirm } from "../../parts/dialog";
import { Icon, type IconName } from "../../parts/icon";
import { useScope } from "../../parts/scope";
import { refusalOf, sendCommand, type Sendable } from "./command-sender";
import type { RunState } from "./run-state";
import { SettingForm } from "./setting-form";

export function Steering({ runId, state }: { runId: string; state: RunState }): JSX.Element {
  const [asking, setAsking] = useState(false);
  const allowed = useScope("telemetry.control");
  const run = state.run.value;
  const refusal = (name: Sendable): string | undefined => refusalOf(name, run, allowed);
  const send = (name: Sendable, value?: number): void => void sendCommand(runId, state, name, value);
  const reasons = new Set((["pause", "stop", "learning-rate", "batch-size"] as const).map(refusal));
  const [common] = reasons;
  const settled = run !== undefined && reasons.size === 1 ? common : undefined;
  return (
    <section class="panel" aria-label="Steering">
      <div class="panel-head">
        <h2>Steering</h2>
      </div>
      <div class="panel-body stack">
        {settled !== undefined && (
          <p class="steering-reason muted small">
            <Icon name="lock" size={13} /> {settled}.
          </p>
        )}
        <div class="row">
          {run?.status === "paused" ? (
            <Action name="resume" title="Resume" icon="play" refusal={refusal("resume")} onClick={() => send("resume")} />
          ) : (
            <Action name="pause" title="Pause" icon="pause" refusal={refusal("pause")} onClick={() => send("pause")} />
          )}
          <Action name="stop" title="Stop" icon="stop" danger refusal={refusal("stop")} onClick={() => setAsking(true)} />
        </div>
        <SettingForm
          title="Learning rate"
          current={currentOf(state, "learning-rate", run?.learningRate)}
          bounds={boundsOf(run, "learning-rate")}
          refusal={refusal("learning-rate")}
          onApply={(value) => send("learning-rate", value)}
        />
        <SettingForm
          title="Batch size"
          whole
          current={currentOf(state, "batch-size", run?.batchSize)}
          bounds={boundsOf(run, "batch-size")}
          refusal={refusal("batch-size")}
          onApply={(value) => send("batch-size", value)}
        />
      </div>
      {asking && (
        <Confirm
          title="Stop the training?"
          text="It ends after the batch that is under way. What it learnt so far stays; it cannot be resumed from here."
          action="Stop the training"
          onConfirm={() => send("stop")}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}

interface ActionProps {
  readonly name: Sendable;
  readonly title: string;
  readonly icon: IconName;
  readonly danger?: boolean;
  readonly refusal: string | undefined;
  readonly onClick: () => void;
}

/** A button that says why it does nothing; it can be reached all the same, so that the reason is read. */
function Action({ name, title, icon, danger = false, refusal, onClick }: ActionProps): JSX.Element {
  const refused = refusal !== undefined;
  return (
    <button
      type="button"
      class={danger ? "button danger" : "button"}
      data-command={name}
      aria-disabled={refused}
      title={refusal}
      aria-description={refusal}
      onClick={refused ? undefined : onClick}
    >
      <Icon name={icon} size={14} />
      {title}
    </button>
  );
}

/** What a setting was changed to last, or what the training began with. */
function currentOf(state: RunState, name: Sendable, configured: number | undefined): number | undefined {
  const applied = state.commands.value.filter((command) => command.name === name && command.state === "applied");
  const last = applied[applied.length - 1]?.after;
  return last === undefined || last === "" ? configured : Number(last);
}

function boundsOf(run: RunView | undefined, name: Sendable): { minimum?: number; maximum?: number } {
  const capability = run?.commands.find((each) => each.name === name);
  return { minimum: capability?.minimum, maximum: capability?.maximum };
}
