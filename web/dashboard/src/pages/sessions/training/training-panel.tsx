/** The training of a session as it goes on: how far it is, its losses and metrics, its epochs. */
import { useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { runPath } from "../../../app/paths";
import { Link } from "../../../app/router";
import { ChartPanel } from "../../../parts/chart/chart-panel";
import type { ChartSource } from "../../../parts/chart/source";
import { DataTable, type Column } from "../../../parts/data-table";
import { EmptyState } from "../../../parts/empty-state";
import { formatCount, formatDuration, formatValue } from "../../../parts/format";
import { Problem } from "../../../parts/problem";
import { StatusBadge } from "../../../parts/status-badge";
import type { EpochRow, Progress, ProgressCurve } from "./progress";
import { useProgress } from "./use-progress";
import "./training.css";

const CURVE_COLOURS = 8;
const VALIDATION_DASH = [8, 4];
const VALIDATION = "val_";

export function TrainingPanel({ sessionId, runId }: { sessionId: string; runId: string }): JSX.Element {
  const { progress, none, error } = useProgress(sessionId, runId);
  return (
    <section class="panel" aria-labelledby="training-title">
      <div class="panel-head">
        <h2 id="training-title">Training</h2>
        {progress !== undefined && (
          <div class="row small">
            <StatusBadge status={progress.status} />
            <Link href={runPath(progress.runId)}>Its run, with steering and history</Link>
          </div>
        )}
      </div>
      {error !== undefined && <Problem title="The training cannot be watched" error={error} />}
      {none && (
        <div class="panel-body">
          <EmptyState title="This session has not trained yet">
            Its client starts a training; progress appears here by itself.
          </EmptyState>
        </div>
      )}
      {progress !== undefined && <Shown progress={progress} />}
    </section>
  );
}

function Shown({ progress }: { progress: Progress }): JSX.Element {
  const losses = useMemo(() => sourcesOf(progress.curves, true), [progress]);
  const metrics = useMemo(() => sourcesOf(progress.curves, false), [progress]);
  const live = progress.status === "running" || progress.status === "paused";
  return (
    <div class="panel-body stack">
      <Bars progress={progress} />
      {progress.failure !== "" && <Problem title={`The training ${progress.status}`} error={new Error(progress.failure)} />}
      {progress.dropped > 0 && (
        <p class="small muted">{formatCount(progress.dropped)} earlier events are not kept here; the run has all of them.</p>
      )}
      {losses.length + metrics.length > 0 && (
        <div class="training-charts">
          <ChartPanel title="Loss" sources={losses} xName="step" live={live} />
          <ChartPanel title="Metrics" sources={metrics} xName="step" live={live} />
        </div>
      )}
      {progress.phase === "gradient" && progress.epochs.length > 0 && (
        <details>
          <summary>Epochs ({progress.epochs.length})</summary>
          <EpochTable epochs={progress.epochs} />
        </details>
      )}
    </div>
  );
}

function Bars({ progress }: { progress: Progress }): JSX.Element {
  const { phase, epochsDone, epochsTotal, batchesDone, batchesTotal, remainingSeconds, learningRate, status, message } = progress;
  const ended = status === "completed";
  return (
    <div class="training-bars">
      <span class="training-phase">{phase === "statistical" ? "Statistical phase" : "Gradient phase"}</span>
      {epochsTotal > 0 && <Bar name="Epochs" done={epochsDone} total={epochsTotal} />}
      {batchesTotal > 0 && !ended && <Bar name="Batches" done={batchesDone} total={batchesTotal} />}
      {learningRate !== undefined && <span class="small muted numbers">learning rate {formatValue(learningRate)}</span>}
      {remainingSeconds !== undefined && status === "running" && (
        <span class="small muted numbers">{formatDuration(remainingSeconds)} left</span>
      )}
      {message !== "" && <span class="small muted">{message}</span>}
    </div>
  );
}

function Bar({ name, done, total }: { name: string; done: number; total: number }): JSX.Element {
  return (
    <label class="training-bar">
      <span class="small">{name}</span>
      <progress max={total} value={done} />
      <span class="small numbers">
        {done} of {total}
      </span>
    </label>
  );
}

function EpochTable({ epochs }: { epochs: readonly EpochRow[] }): JSX.Element {
  const names = [...new Set(epochs.flatMap((epoch) => Object.keys(epoch.values)))].sort();
  const columns: readonly Column<EpochRow>[] = [
    { key: "epoch", title: "Epoch", rowHeader: true, numeric: true, sortBy: (row) => row.epoch, cell: (row) => String(row.epoch) },
    ...names.map((name) => ({
      key: name,
      title: name,
      numeric: true,
      sortBy: (row: EpochRow) => row.values[name] ?? NaN,
      cell: (row: EpochRow) => formatValue(row.values[name]),
    })),
  ];
  return (
    <DataTable
      caption="Epochs: means of their batches, and validation"
      columns={columns}
      rows={epochs}
      rowKey={(row) => String(row.epoch)}
      initialSort={{ key: "epoch", descending: true }}
    />
  );
}

/** Curves of losses, or those of all else. Validation has the colour of what it validates, and dashes. */
function sourcesOf(curves: readonly ProgressCurve[], losses: boolean): ChartSource[] {
  const wanted = curves.filter(({ name }) => name.endsWith("_loss") === losses);
  const plain = (name: string): string => (name.startsWith(VALIDATION) ? name.slice(VALIDATION.length) : name);
  const names = [...new Set(wanted.map(({ name }) => plain(name)))].sort();
  return wanted.map(({ name, steps, values }) => {
    const index = names.indexOf(plain(name));
    const dash = name.startsWith(VALIDATION) ? VALIDATION_DASH : undefined;
    const colour = (index % CURVE_COLOURS) + 1;
    return { id: name, label: name, colour, x: steps, low: values, high: values, ...(dash === undefined ? {} : { dash }) };
  });
}
