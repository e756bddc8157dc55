/** Curves of a run as a chart takes them. */
import type { MetricSeries } from "@catenary/contract/catenary/telemetry/v1/metric_pb";
import type { ChartSource } from "../../parts/chart/source";
import type { CurveView } from "../../watch/view";

/** How a metric is shown. */
export type MetricLook = Pick<ChartSource, "label" | "colour" | "dash"> & { readonly name: string };

export const LOSS: readonly MetricLook[] = [
  { name: "batch_loss", label: "training, each batch", colour: 1 },
  { name: "average_loss", label: "training, mean of the epoch", colour: 3, dash: [2, 3] },
  { name: "validation_loss", label: "validation", colour: 2, dash: [8, 4] },
];

export const ACCURACY: readonly MetricLook[] = [
  { name: "batch_accuracy", label: "training, each batch", colour: 1 },
  { name: "average_accuracy", label: "training, mean of the epoch", colour: 3, dash: [2, 3] },
  { name: "validation_accuracy", label: "validation", colour: 2, dash: [8, 4] },
];

/** Names that the two charts of loss and accuracy show. */
export const SHOWN_ALREADY: ReadonlySet<string> = new Set([...LOSS, ...ACCURACY].map(({ name }) => name));

/** The points of a curve. */
export type Points = Pick<CurveView, "lows" | "highs" | "steps">;

/** Sources of the metrics that have values. */
export function sourcesOf(looks: readonly MetricLook[], curves: ReadonlyMap<string, Points>): ChartSource[] {
  return looks.flatMap(({ name, ...look }) => {
    const curve = curves.get(name);
    return curve === undefined || curve.steps.length === 0
      ? []
      : [{ ...look, id: name, x: curve.steps, low: curve.lows, high: curve.highs }];
  });
}

/** The points of a series as the server sends it. */
export function pointsOf(series: MetricSeries): Points {
  const lows = Float64Array.from(series.minimums);
  const highs = series.maximums.length === lows.length ? Float64Array.from(series.maximums) : lows;
  return { steps: Float64Array.from(series.globalSteps, Number), lows, highs };
}

/** A curve with a part of it in more points. */
export function refined(curve: Points, detail: Points): Points {
  const from = detail.steps[0];
  const to = detail.steps[detail.steps.length - 1];
  if (from === undefined || to === undefined) {
    return curve;
  }
  const before = curve.steps.findIndex((step) => step >= from);
  const after = curve.steps.findIndex((step) => step > to);
  const splice = (whole: Float64Array, part: Float64Array): Float64Array =>
    Float64Array.from([
      ...whole.subarray(0, before < 0 ? whole.length : before),
      ...part,
      ...(after < 0 ? [] : whole.subarray(after)),
    ]);
  return {
    steps: splice(curve.steps, detail.steps),
    lows: splice(curve.lows, detail.lows),
    highs: splice(curve.highs, detail.highs),
  };
}
