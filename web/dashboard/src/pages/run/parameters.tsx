/** How a run is set up. */
import type { JSX } from "preact";
import { formatBytes, formatCount, formatValue } from "../../parts/format";
import type { Parameter, RunView } from "../../model/run";
import type { RunState } from "./run-state";

export function Parameters({ state }: { state: RunState }): JSX.Element | null {
  const run = state.run.value;
  if (run === undefined) {
    return null;
  }
  return (
    <section class="panel" aria-label="Parameters">
      <div class="panel-head">
        <h2>Parameters</h2>
        <span class="muted small numbers">
          {formatCount(run.lastSequence)} records, {formatBytes(run.storedBytes)} on the server
        </span>
      </div>
      <dl class="parameters">
        {parametersOf(run).map(({ name, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Everything that is set, by name. */
export function parametersOf(run: RunView): Parameter[] {
  const known: [string, string][] = [
    ["model", run.model],
    ["dataset", run.dataset],
    ["epochs", text(run.totalEpochs)],
    ["batches per epoch", text(run.batchesPerEpoch)],
    ["batch size at the start", text(run.batchSize)],
    ["learning rate at the start", text(run.learningRate)],
    ["classes", run.classNames.length === 0 ? "" : String(run.classNames.length)],
  ];
  return [...known.filter(([, value]) => value !== "").map(([name, value]) => ({ name, value })), ...run.parameters];
}

function text(value: number | undefined): string {
  return value === undefined ? "" : formatValue(value);
}
