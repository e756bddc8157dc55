/** Order statistics of what is drawn. */

/** Least and greatest finite value, and how many are not finite. */
export interface Extent {
  readonly minimum: number;
  readonly maximum: number;
  readonly notFinite: number;
}

/** The finite values in rising order. */
export function sortedFinite(values: ArrayLike<number>): Float64Array {
  const finite = new Float64Array(values.length);
  let count = 0;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? NaN;
    if (Number.isFinite(value)) {
      finite[count] = value;
      count += 1;
    }
  }
  return finite.subarray(0, count).sort();
}

/** Percentile of sorted values, linear between neighbours as NumPy has it; NaN of none. */
export function percentile(sorted: Float64Array, percent: number): number {
  const position = (percent / 100) * (sorted.length - 1);
  const low = sorted[Math.floor(position)] ?? NaN;
  const high = sorted[Math.ceil(position)] ?? low;
  return low + (high - low) * (position - Math.floor(position));
}

/** Extent of values that are sorted already. */
export function extentOf(sorted: Float64Array, total: number): Extent {
  return { minimum: sorted[0] ?? NaN, maximum: sorted[sorted.length - 1] ?? NaN, notFinite: total - sorted.length };
}

/** Share of the sorted values that are below a value, ties counted half; from 0 to 1. */
export function rankOf(sorted: Float64Array, value: number): number {
  return (bound(sorted, value, false) + bound(sorted, value, true)) / 2 / Math.max(1, sorted.length);
}

/** Index of the first value that is not below (`after`: that is above) a value. */
function bound(sorted: Float64Array, value: number, after: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = sorted[middle] ?? NaN;
    if (there < value || (after && there === value)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
