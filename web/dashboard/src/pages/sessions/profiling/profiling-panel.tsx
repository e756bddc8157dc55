/** Where the time of a pipeline goes, by node and stage. */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import { ExecutionStage } from "@catenary/contract/catenary/v1/execution_stage_pb";
import type { NodeProfilingStats } from "@catenary/contract/catenary/v1/profiling_pb";
import { DataTable, type Column } from "../../../parts/data-table";
import { formatShare } from "../../../parts/format";
import { Problem } from "../../../parts/problem";
import { useScope } from "../../../parts/scope";
import { profiling } from "../calls";

const EVERY_MS = 2_000;

interface ProfilingPanelProps {
  readonly sessionId: string;
  /** Whether the session has a pipeline. */
  readonly ready: boolean;
  /** Inferences of this page so far: each new one asks again. */
  readonly inferences: number;
}

export function ProfilingPanel({ sessionId, ready, inferences }: ProfilingPanelProps): JSX.Element {
  const allowed = useScope("profiling.write");
  const [measuring, setMeasuring] = useState(false);
  const [stats, setStats] = useState<readonly NodeProfilingStats[]>([]);
  const [problem, setProblem] = useState<unknown>();
  const ask = useCallback(async () => {
    try {
      setStats((await profiling.getProfilingSummary({ sessionId })).nodeStats);
    } catch (error) {
      setProblem(error);
    }
  }, [sessionId]);
  useEffect(() => {
    if (ready) {
      void ask();
    }
  }, [ask, ready, inferences]);
  useEffect(() => {
    // Asking names the session and so holds it open: only while somebody measures and looks.
    const timer = measuring ? setInterval(() => document.visibilityState === "visible" && void ask(), EVERY_MS) : undefined;
    return () => clearInterval(timer);
  }, [ask, measuring]);
  const set = async (enabled: boolean, reset: boolean): Promise<void> => {
    setProblem(undefined);
    try {
      setMeasuring((await profiling.setProfiling({ sessionId, enabled, reset })).profilingEnabled);
      await ask();
    } catch (error) {
      setProblem(error);
    }
  };
  const closed = !allowed || !ready;
  return (
    <section class="panel" aria-labelledby="profiling-title">
      <div class="panel-head">
        <h2 id="profiling-title">Time of each node</h2>
        <div class="row">
          <button type="button" class="button" aria-pressed={measuring} disabled={closed} onClick={() => void set(!measuring, false)}>
            {measuring ? "Stop measuring" : "Measure"}
          </button>
          <button type="button" class="button" disabled={closed || stats.length === 0} onClick={() => void set(measuring, true)}>
            Forget
          </button>
        </div>
      </div>
      {!allowed && <p class="panel-body small muted">Your token lacks the scope profiling.write.</p>}
      {problem !== undefined && <Problem title="Times cannot be measured" error={problem} />}
      {stats.length === 0 ? (
        <p class="panel-body muted small">
          {measuring ? "Nothing has run yet: infer on a scene, or train." : "Nothing was measured yet. Measure, then infer on a scene or train."}
        </p>
      ) : (
        <DataTable
          caption="Times of nodes in milliseconds"
          columns={columns(stats)}
          rows={stats}
          rowKey={(row) => `${row.nodeName} ${row.stage}`}
        />
      )}
    </section>
  );
}

function columns(stats: readonly NodeProfilingStats[]): readonly Column<NodeProfilingStats>[] {
  const total = stats.reduce((sum, row) => sum + row.totalMs, 0);
  const time = (key: string, title: string, value: (row: NodeProfilingStats) => number, wideOnly = false): Column<NodeProfilingStats> => ({
    key,
    title,
    numeric: true,
    wideOnly,
    sortBy: value,
    cell: (row) => value(row).toFixed(value(row) < 10 ? 3 : 1),
  });
  return [
    { key: "node", title: "Node", rowHeader: true, sortBy: (row) => row.nodeName, cell: (row) => row.nodeName },
    { key: "stage", title: "Stage", sortBy: stageName, cell: stageName },
    { key: "count", title: "Calls", numeric: true, sortBy: (row) => Number(row.count), cell: (row) => String(row.count) },
    {
      key: "share",
      title: "Share",
      numeric: true,
      sortBy: (row) => row.totalMs,
      cell: (row) => (
        <span class="share">
          <meter class="share-bar" min={0} max={1} value={row.totalMs / total} aria-hidden="true" />
          {formatShare(row.totalMs / total)}
        </span>
      ),
    },
    time("median", "Median ms", (row) => row.medianMs),
    time("mean", "Mean ms", (row) => row.meanMs, true),
    time("min", "Min ms", (row) => row.minMs, true),
    time("max", "Max ms", (row) => row.maxMs, true),
    time("total", "Total ms", (row) => row.totalMs),
  ];
}

function stageName({ stage }: NodeProfilingStats): string {
  const name = ExecutionStage[stage] as string | undefined;
  return (name ?? "unknown").toLowerCase();
}
