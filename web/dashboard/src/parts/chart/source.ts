/** What a chart draws, and how it comes from the points that a server sends. */

/** A curve as it was measured: a point stands for samples between `low` and `high`. */
export interface ChartSource {
  readonly id: string;
  readonly label: string;
  /** Which of the tokens `--curve-1` to `--curve-8`. */
  readonly colour: number;
  /** Lengths of dashes and gaps in pixels; none for a whole line. Tells curves apart without colour. */
  readonly dash?: readonly number[];
  /** Rising. */
  readonly x: ArrayLike<number>;
  readonly low: ArrayLike<number>;
  readonly high: ArrayLike<number>;
}

/** What one curve is drawn from. Values that are not to be drawn are null. */
export interface ChartLine extends Pick<ChartSource, "id" | "label" | "colour" | "dash" | "x"> {
  readonly y: readonly (number | null)[];
  /** The range behind the line, where it says more than the line. */
  readonly band: { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] } | undefined;
}

/**
 * The line of a curve.
 *
 * @param smoothing from 0, not at all, to below 1: the share that the values before have in each value
 * @param logarithmic whether only positive values can be drawn
 */
export function lineOf(source: ChartSource, smoothing: number, logarithmic: boolean): ChartLine {
  const { id, label, colour, dash, x, low, high } = source;
  const middle = Array.from(low, (value, index) => (value + (high[index] ?? value)) / 2);
  const y = smooth(middle, smoothing).map((value) => drawable(value, logarithmic));
  const isRange = smoothing > 0 || Array.from(low).some((value, index) => value !== (high[index] ?? value));
  const band = isRange
    ? {
        low: Array.from(low, (value) => drawable(value, logarithmic)),
        high: Array.from(high, (value) => drawable(value, logarithmic)),
      }
    : undefined;
  return { id, label, colour, dash, x, y, band };
}

/** Exponential mean without the bias towards zero at the start, as other tools have it; what is no number is passed over. */
export function smooth(values: readonly number[], weight: number): number[] {
  if (weight <= 0) {
    return [...values];
  }
  let mean = 0;
  let share = 1;
  return values.map((value) => {
    if (!Number.isFinite(value)) {
      return NaN;
    }
    mean = weight * mean + (1 - weight) * value;
    share *= weight;
    return mean / (1 - share);
  });
}

function drawable(value: number, logarithmic: boolean): number | null {
  return Number.isFinite(value) && (!logarithmic || value > 0) ? value : null;
}
