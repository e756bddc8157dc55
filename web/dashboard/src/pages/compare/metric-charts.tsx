/** A chart for each chosen metric, with a curve for each run. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { JSX } from "preact";
import { isFinal, type RunView } from "../../model/run";
import { ChartPanel } from "../../parts/chart/chart-panel";
import type { Range } from "../../parts/chart/options";
import type { ChartSource } from "../../parts/chart/source";
import { formatCount, formatDuration } from "../../parts/format";
import { Problem } from "../../parts/problem";
import type { Axis } from "./choice";
import { lookOf } from "./look";
import { nameOf } from "./run-chooser";
import { refined } from "./refined";
import { querySeries, type Series } from "./series";

const EVERY_MS = 2_000;

interface MetricChartProps {
  readonly metric: string;
  readonly runs: readonly RunView[];
  readonly axis: Axis;
}

export function MetricChart({ metric, runs, axis }: MetricChartProps): JSX.Element {
  const [range, setRange] = useState<Range>();
  const steps = axis === "step" ? range : undefined;
  const { series, error } = useSeries(runs, metric, steps);
  const sources = useMemo(() => sourcesOf(runs, series, axis), [runs, series, axis]);
  const overTime = axis === "time";
  return (
    <div class="metric-chart">
      {error !== undefined && <Problem title={`${metric} cannot be read`} error={error} />}
      <ChartPanel
        key={axis}
        title={metric}
        sources={sources}
        xName={overTime ? "since the start" : "step"}
        formatX={overTime ? (x) => formatDuration(Math.max(0, x)) : (x) => formatCount(Math.round(x))}
        height={280}
        live={runs.some((run) => !isFinal(run.status))}
        onRange={setRange}
        empty="None of these runs has this metric"
      />
    </div>
  );
}

/** Series of a metric by run: of all steps, and in finer points of those that are shown. */
function useSeries(runs: readonly RunView[], metric: string, steps: Range | undefined) {
  const [series, setSeries] = useState<ReadonlyMap<string, Series>>(new Map());
  const [detail, setDetail] = useState<ReadonlyMap<string, Series>>(new Map());
  const [error, setError] = useState<unknown>();
  const ids = runs.map(({ id }) => id).join("\n");
  const live = runs.filter((run) => !isFinal(run.status)).map(({ id }) => id).join("\n");
  const [from, to] = steps ?? [undefined, undefined];
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (wanted: string[]): Promise<void> => {
      try {
        const found = await seriesByRun(wanted, metric, undefined, abort.signal);
        setSeries((before) => new Map([...before, ...found].filter(([id]) => ids.split("\n").includes(id))));
        setError(undefined);
      } catch (failure) {
        setError(abort.signal.aborted ? undefined : failure);
      }
      if (live !== "" && !abort.signal.aborted) {
        timer = setTimeout(() => void ask(live.split("\n")), EVERY_MS);
      }
    };
    void ask(ids.split("\n"));
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [ids, live, metric]);
  useEffect(() => {
    const abort = new AbortController();
    setDetail(new Map());
    if (from !== undefined) {
      seriesByRun(ids.split("\n"), metric, [from, to], abort.signal).then(
        (found) => !abort.signal.aborted && setDetail(found),
        () => undefined, // the coarse curve is still there
      );
    }
    return () => abort.abort();
  }, [ids, metric, from, to]);
  const merged = useMemo(
    () => new Map([...series].map(([id, coarse]) => [id, refined(coarse, detail.get(id))])),
    [series, detail],
  );
  return { series: merged, error };
}

async function seriesByRun(
  ids: readonly string[],
  metric: string,
  steps: Range | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Series>> {
  const asked = ids.filter((id) => id !== "");
  const found = await Promise.all(asked.map((id) => querySeries(id, [metric], steps, signal)));
  return new Map(asked.flatMap((id, index) => (found[index]?.[0] === undefined ? [] : [[id, found[index][0]] as const])));
}

function sourcesOf(runs: readonly RunView[], series: ReadonlyMap<string, Series>, axis: Axis): ChartSource[] {
  return runs.flatMap((run, index) => {
    const found = series.get(run.id);
    if (found === undefined || found.steps.length === 0) {
      return [];
    }
    const start = run.startedAt ?? run.createdAt;
    const x = axis === "time" ? found.times.map((time) => (time - start) / 1000) : found.steps;
    return [{ id: run.id, label: nameOf(run, run.id), ...lookOf(index), x, low: found.low, high: found.high }];
  });
}
