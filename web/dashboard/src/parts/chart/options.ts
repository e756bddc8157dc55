/** How a chart looks and behaves. */
import type uPlot from "uplot";
import { colour } from "../../app/theme";
import type { LineColumns } from "./columns";

/** From the first x shown to the last. */
export type Range = readonly [from: number, to: number];

export interface ChartStyle {
  readonly logarithmic: boolean;
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
}

export interface ChartEvents {
  /** A range was marked with the pointer. */
  readonly onMark: (range: Range) => void;
  readonly onReset: () => void;
  /** The pointer stands over a column; undefined when it left. */
  readonly onPoint: (column: number | undefined) => void;
  /** The range to show; undefined for all. */
  readonly range: () => Range | undefined;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- a const enum of theirs, which isolated modules cannot read
const LOGARITHMIC: uPlot.Scale.Distr.Logarithmic = 3;
const FONT_SIZE = 11;
const LEAST_MARK = 6;
const X_AXIS_HEIGHT = 28;

/** Options of uPlot for columns laid out in this way. */
export function optionsOf(
  columns: readonly LineColumns[],
  size: { width: number; height: number },
  style: ChartStyle,
  events: ChartEvents,
): uPlot.Options {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const { line, low, high } of columns) {
    const stroke = colour(`--curve-${line.colour}`);
    const pale = withAlpha(stroke, 0.35);
    if (low !== undefined && high !== undefined) {
      series.push(thin(pale), thin(pale));
      bands.push({ series: [high, low], fill: withAlpha(stroke, 0.16) });
    }
    series.push({ stroke, width: 2, dash: [...(line.dash ?? [])], points: { show: showsPoints, size: 5, fill: stroke } });
  }
  return {
    ...size,
    series,
    bands,
    legend: { show: false },
    padding: [10, 12, 0, 0],
    scales: {
      x: { time: false, range: (_, least, greatest) => [...(events.range() ?? widened(least, greatest))] },
      y: style.logarithmic ? { distr: LOGARITHMIC, log: 10 } : {},
    },
    axes: [{ ...axis(style.formatX), size: X_AXIS_HEIGHT }, { ...axis(style.formatY), size: axisSize }],
    cursor: {
      y: false,
      points: { size: 7 },
      drag: { x: true, y: false, setScale: false },
      bind: { dblclick: () => () => (events.onReset(), null) },
    },
    hooks: {
      setSelect: [(plot) => mark(plot, events.onMark)],
      setCursor: [(plot) => events.onPoint(plot.cursor.idx ?? undefined)],
    },
  };
}

/** Points are drawn where they are few, so that a curve of one point is seen. */
function showsPoints(plot: uPlot, _: number, first: number, last: number): boolean {
  return (last - first) * 12 < plot.bbox.width / devicePixelRatio;
}

function thin(stroke: string): uPlot.Series {
  return { stroke, width: 1, points: { show: false } };
}

function axis(format: (value: number) => string): uPlot.Axis {
  const grid = colour("--border-soft");
  return {
    stroke: colour("--muted"),
    font: `${FONT_SIZE}px ${getComputedStyle(document.documentElement).fontFamily}`,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1, size: 4 },
    gap: 5,
    values: (_, splits) => splits.map((value: number | null) => (value === null ? "" : format(value))),
  };
}

/** Wide enough for the longest of its labels. */
function axisSize(_: uPlot, values: string[] | null): number {
  const longest = Math.max(3, ...(values ?? []).map((value) => value.length));
  return longest * FONT_SIZE * 0.62 + 14;
}

function mark(plot: uPlot, onMark: (range: Range) => void): void {
  const { left, width } = plot.select;
  if (width >= LEAST_MARK) {
    const from = plot.posToVal(left, "x");
    const to = plot.posToVal(left + width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    onMark([from, to]);
  }
}

/** Ends of the data, apart even where there is one point. */
function widened(least: number | null, greatest: number | null): Range {
  const from = least ?? 0;
  const to = greatest ?? 1;
  return from === to ? [from - 0.5, to + 0.5] : [from, to];
}

function withAlpha(rgb: string, alpha: number): string {
  return rgb.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}
