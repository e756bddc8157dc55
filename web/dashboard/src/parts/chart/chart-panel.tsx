/** A chart with what goes with it: smoothing, logarithmic scale, zoom, follow, legend. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import { formatCount, formatValue } from "../format";
import { ChartTools } from "./chart-tools";
import { Legend, valueAt } from "./legend";
import type { Range } from "./options";
import { Plot } from "./plot";
import { lineOf, type ChartSource } from "./source";
import { useZoom, type Zoom } from "./zoom";
import "./chart.css";

interface ChartPanelProps {
  readonly title: string;
  readonly sources: readonly ChartSource[];
  /** What x is, such as `step`. */
  readonly xName: string;
  readonly formatX?: (x: number) => string;
  readonly formatY?: (y: number) => string;
  readonly height?: number;
  /** Whether more is to come, so that there is something to follow. */
  readonly live?: boolean;
  /** Said where there is no value at all. */
  readonly empty?: string;
  /** Controls of the page's own, beside the title. */
  readonly children?: ComponentChildren;
  /** The part that is shown now; undefined for all. Whoever hears it may bring more points of it. */
  readonly onRange?: (range: Range | undefined) => void;
}

const HEIGHT = 240;

export function ChartPanel(props: ChartPanelProps): JSX.Element {
  const { title, sources, xName, height = HEIGHT, live = false, onRange } = props;
  const { formatX = formatCount, formatY = formatValue } = props;
  const [smoothing, setSmoothing] = useState(0);
  const [logarithmic, setLogarithmic] = useState(false);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [pointed, setPointed] = useState<number>();
  const zoom = useZoom(extentOf(sources));
  const [from, to] = zoom.range ?? [undefined, undefined];
  const held = zoom.follows ? undefined : zoom.range;
  useEffect(() => onRange?.(held), [held?.[0], held?.[1]]); // eslint-disable-line react-hooks/exhaustive-deps -- by value
  const range = useMemo(() => zoom.range, [from, to]); // eslint-disable-line react-hooks/exhaustive-deps -- by value
  const shown = sources.filter(({ id }) => !hidden.has(id));
  const lines = useMemo(
    () => shown.map((source) => lineOf(source, smoothing, logarithmic)),
    [sources, hidden, smoothing, logarithmic], // eslint-disable-line react-hooks/exhaustive-deps -- `shown` follows from them
  );
  const isEmpty = sources.every(({ x }) => x.length === 0);
  return (
    <section class="panel chart" aria-label={title}>
      <div class="panel-head">
        <h2>{title}</h2>
        <div class="row">
          {props.children}
          <ChartTools
            name={title}
            smoothing={smoothing}
            onSmoothing={setSmoothing}
            logarithmic={logarithmic}
            onLogarithmic={setLogarithmic}
            zoom={zoom}
            live={live}
          />
        </div>
      </div>
      {isEmpty ? (
        <p class="chart-empty muted" style={{ height: `${height}px` }}>
          {props.empty ?? "No values yet"}
        </p>
      ) : (
        <div
          class="chart-area"
          tabIndex={0}
          role="group"
          aria-roledescription="chart"
          aria-label={`${title} by ${xName}. ${summaryOf(lines, formatY)} Plus and minus zoom, arrows move, zero shows all.`}
          onKeyDown={(event) => steer(event, zoom)}
        >
          <Plot
            lines={lines}
            height={height}
            range={range}
            logarithmic={logarithmic}
            formatX={formatX}
            formatY={formatY}
            onMark={zoom.show}
            onReset={() => zoom.show(undefined)}
            onPoint={setPointed}
          />
        </div>
      )}
      <div class="chart-foot">
        <Legend sources={sources} lines={lines} hidden={hidden} onToggle={(id) => setHidden(toggled(hidden, id))} x={pointed} formatY={formatY} />
        <span class="muted numbers small chart-x">{pointed === undefined ? xName : `${xName} ${formatX(pointed)}`}</span>
      </div>
    </section>
  );
}

function steer(event: KeyboardEvent, zoom: Zoom): void {
  const actions: Readonly<Record<string, () => void>> = {
    "+": () => zoom.scale(0.5),
    "=": () => zoom.scale(0.5),
    "-": () => zoom.scale(2),
    "0": () => zoom.show(undefined),
    ArrowLeft: () => zoom.pan(-0.2),
    ArrowRight: () => zoom.pan(0.2),
  };
  const action = actions[event.key];
  if (action !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    action();
  }
}

/** From the first x of any curve to the last; undefined without a point. */
function extentOf(sources: readonly ChartSource[]): Range | undefined {
  let from = Infinity;
  let to = -Infinity;
  for (const { x } of sources) {
    from = Math.min(from, x[0] ?? Infinity);
    to = Math.max(to, x[x.length - 1] ?? -Infinity);
  }
  return from <= to ? [from, to] : undefined;
}

function summaryOf(lines: ReturnType<typeof lineOf>[], formatY: (y: number) => string): string {
  return lines
    .map((line) => [line.label, valueAt(line, undefined)] as const)
    .map(([label, value]) => `${label}: ${value === undefined ? "no value" : formatY(value)}.`)
    .join(" ");
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(id)) {
    next.add(id);
  }
  return next;
}
