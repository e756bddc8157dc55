/** Loss, accuracy, and whatever else the training logs. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { isFinal } from "../../model/run";
import { ChartPanel } from "../../parts/chart/chart-panel";
import type { Range } from "../../parts/chart/options";
import { formatShare } from "../../parts/format";
import { ACCURACY, LOSS, SHOWN_ALREADY, sourcesOf, type MetricLook } from "./curve-sources";
import { useDetail } from "./curve-detail";
import type { RunState } from "./run-state";

const POINTS = 700;
const CURVES = 8;

export function RunCharts({ runId, state }: { runId: string; state: RunState }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const [points, setPoints] = useState(POINTS);
  const [other, setOther] = useState<string>();
  const names = state.run.value?.metricNames ?? [];
  const others = names.filter((name) => !SHOWN_ALREADY.has(name));
  const chosen = other !== undefined && others.includes(other) ? other : others[0];
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setPoints(Math.max(200, Math.round(entry?.contentRect.width ?? POINTS))));
    if (host.current !== null) {
      observer.observe(host.current);
    }
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    state.tell({ action: "curves", names: [...SHOWN_ALREADY, ...(chosen === undefined ? [] : [chosen])], points });
  }, [state, chosen, points]);
  const look = useMemo(() => (chosen === undefined ? [] : [{ name: chosen, label: chosen, colour: 4 }]), [chosen]);
  return (
    <div ref={host} class="stack">
      <MetricChart title="Loss" runId={runId} state={state} looks={LOSS} points={points} />
      <MetricChart title="Accuracy" runId={runId} state={state} looks={ACCURACY} points={points} formatY={percent} />
      {chosen !== undefined && (
        <MetricChart title="Other metrics" runId={runId} state={state} looks={look} points={points} height={180}>
          <select aria-label="Metric" value={chosen} onChange={(event) => setOther(event.currentTarget.value)}>
            {others.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </MetricChart>
      )}
    </div>
  );
}

interface MetricChartProps {
  readonly title: string;
  readonly runId: string;
  readonly state: RunState;
  readonly looks: readonly MetricLook[];
  readonly points: number;
  readonly height?: number;
  readonly formatY?: (y: number) => string;
  readonly children?: JSX.Element;
}

function MetricChart({ title, runId, state, looks, points, height, formatY, children }: MetricChartProps): JSX.Element {
  const [range, setRange] = useState<Range>();
  const names = useMemo(() => looks.map(({ name }) => name), [looks]);
  const all = state.curves.value;
  const mine = useMemo(
    () => new Map([...all].filter(([name]) => names.includes(name)).slice(0, CURVES)),
    [names, ...names.map((name) => all.get(name))], // eslint-disable-line react-hooks/exhaustive-deps -- by curve
  );
  const curves = useDetail(runId, mine, names, range, points);
  const sources = useMemo(() => sourcesOf(looks, curves), [looks, curves]);
  const run = state.run.value;
  return (
    <ChartPanel
      title={title}
      sources={sources}
      xName="step"
      height={height}
      formatY={formatY}
      live={run !== undefined && !isFinal(run.status)}
      onRange={setRange}
    >
      {children}
    </ChartPanel>
  );
}

function percent(share: number): string {
  return formatShare(share, share !== 0 && share !== 1 && Math.abs(share) < 0.1 ? 1 : 0);
}
