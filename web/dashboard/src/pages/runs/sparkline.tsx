/** The loss of a run in the size of a word. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import type { RunView } from "../../model/run";
import { formatValue } from "../../parts/format";
import { telemetry } from "../../rpc/telemetry";

const WIDTH = 120;
const HEIGHT = 28;
const POINTS = 60;
const PADDING = 2;
/** A live run is asked again after so many new entries of its log. */
const ENTRIES_PER_QUERY = 50;

/** Nothing for a run without a loss. */
export function Sparkline({ run }: { run: RunView }): JSX.Element | null {
  const [values, setValues] = useState<readonly number[]>([]);
  const name = ["batch_loss", "average_loss"].find((each) => run.metricNames.includes(each));
  const version = Math.floor(run.lastSequence / ENTRIES_PER_QUERY);
  useEffect(() => {
    const abort = new AbortController();
    if (name !== undefined) {
      const request = { runId: run.id, metricNames: [name], maxPoints: POINTS };
      telemetry.queryMetrics(request, { signal: abort.signal }).then(
        ({ series }) => setValues(middles(series[0]?.minimums ?? [], series[0]?.maximums ?? [])),
        () => undefined, // the list says so itself when the server does not answer
      );
    }
    return () => abort.abort();
  }, [run.id, name, version]);
  if (values.length < 2) {
    return null;
  }
  const last = values[values.length - 1];
  return (
    <span class="sparkline">
      <svg width={WIDTH} height={HEIGHT} role="img" aria-label={`Loss, last ${formatValue(last)}`}>
        <path d={path(values)} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" />
      </svg>
      <span class="numbers small">{formatValue(last)}</span>
    </span>
  );
}

function middles(lows: readonly number[], highs: readonly number[]): number[] {
  return lows.map((low, index) => (low + (highs[index] ?? low)) / 2).filter(Number.isFinite);
}

function path(values: readonly number[]): string {
  const least = Math.min(...values);
  const range = Math.max(...values) - least || 1;
  const x = (index: number): number => PADDING + (index / (values.length - 1)) * (WIDTH - 2 * PADDING);
  const y = (value: number): number => HEIGHT - PADDING - ((value - least) / range) * (HEIGHT - 2 * PADDING);
  return values.map((value, index) => `${index === 0 ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}
