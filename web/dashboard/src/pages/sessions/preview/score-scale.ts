/** How scores become colours: by their value, or by their rank among all scores. */
import { scoreColour } from "./colour-map";
import { percentile, rankOf, sortedFinite } from "./statistics";

export type ScaleKind = "value" | "rank";

/** A scale from scores to shares from 0 to 1. */
export interface ScoreScale {
  readonly share: (score: number) => number;
  /** Scores at the ends and at equal steps between them, lowest first. */
  readonly ticks: readonly number[];
  readonly sorted: Float64Array;
}

const TICKS = 5;
/** Few outliers must not leave all else in one colour: what is beyond is drawn as the end of the scale. */
const STRETCH_PERCENT = [0.5, 99.5] as const;
const NOT_FINITE = 128;

/** The scale of some scores. */
export function scoreScale(values: ArrayLike<number>, kind: ScaleKind): ScoreScale {
  const sorted = sortedFinite(values);
  const shares = Array.from({ length: TICKS }, (_, index) => index / (TICKS - 1));
  if (kind === "rank") {
    return { sorted, share: (score) => rankOf(sorted, score), ticks: shares.map((share) => percentile(sorted, share * 100)) };
  }
  const [low, high] = STRETCH_PERCENT.map((percent) => percentile(sorted, percent)) as [number, number];
  const span = high - low;
  return {
    sorted,
    share: (score) => (span > 0 ? (score - low) / span : 0.5 + 0 * score),
    ticks: shares.map((share) => low + share * span),
  };
}

/** [pixels * 4] RGBA of scores; those that are not finite are grey. */
export function scorePicture(values: ArrayLike<number>, scale: ScoreScale): Uint8ClampedArray<ArrayBuffer> {
  const picture = new Uint8ClampedArray(values.length * 4).fill(255);
  for (let pixel = 0; pixel < values.length; pixel += 1) {
    const value = values[pixel] ?? NaN;
    const colour = Number.isFinite(value) ? scoreColour(scale.share(value)) : undefined;
    picture.set(colour ?? [NOT_FINITE, NOT_FINITE, NOT_FINITE], pixel * 4);
  }
  return picture;
}

/** [pixels * 4] RGBA of a mask: light where something is. */
export function maskPicture(values: ArrayLike<number>): Uint8ClampedArray<ArrayBuffer> {
  const picture = new Uint8ClampedArray(values.length * 4).fill(255);
  for (let pixel = 0; pixel < values.length; pixel += 1) {
    const shade = (values[pixel] ?? 0) === 0 ? 22 : 244;
    picture.set([shade, shade, shade], pixel * 4);
  }
  return picture;
}
