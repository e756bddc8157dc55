/** Pictures of cubes in three bands, as `catenary_scenes.false_colour` draws them. */
import type { Scene } from "./scene-file";
import { percentile, sortedFinite } from "./statistics";

const RED_GREEN_BLUE_NM = [640, 550, 460] as const;
const SPACED = [5 / 6, 1 / 2, 1 / 6] as const;
const STRETCH_PERCENT = [2, 98] as const;
const OPAQUE = 255;
const MID_GREY = 0.5;

/** Bands that are shown as red, green and blue, by their index. */
export type PictureBands = readonly [red: number, green: number, blue: number];

/** The bands nearest to red, green and blue light; equally spaced ones where wavelengths are not known or not visible. */
export function pictureBands(bands: number, wavelengths: Float64Array | undefined): PictureBands {
  const spaced = SPACED.map((share) => roundHalfEven(share * (bands - 1)));
  const nearest = wavelengths === undefined ? [] : RED_GREEN_BLUE_NM.map((colour) => nearestTo(colour, wavelengths));
  const [red = 0, green = 0, blue = 0] = new Set(nearest).size === SPACED.length ? nearest : spaced;
  return [red, green, blue];
}

/** [rows * cols * 4] RGBA; each band stretched between its 2nd and 98th percentile, mid-grey where it has no contrast. */
export function falseColour(scene: Scene, bands: PictureBands): Uint8ClampedArray<ArrayBuffer> {
  const pixels = scene.rows * scene.cols;
  const picture = new Uint8ClampedArray(pixels * 4).fill(OPAQUE);
  bands.forEach((band, channel) => {
    const values = new Float64Array(pixels);
    for (let pixel = 0; pixel < pixels; pixel += 1) {
      values[pixel] = scene.values[pixel * scene.bands + band] ?? NaN;
    }
    const sorted = sortedFinite(values);
    const [low, high] = STRETCH_PERCENT.map((percent) => percentile(sorted, percent)) as [number, number];
    for (let pixel = 0; pixel < pixels; pixel += 1) {
      const stretched = high > low ? ((values[pixel] ?? NaN) - low) / (high - low) : MID_GREY;
      picture[pixel * 4 + channel] = Math.round(OPAQUE * stretched);
    }
  });
  return picture;
}

function nearestTo(colour: number, wavelengths: Float64Array): number {
  return wavelengths.reduce(
    (best, each, index) => (Math.abs(each - colour) < Math.abs((wavelengths[best] ?? Infinity) - colour) ? index : best),
    0,
  );
}

/** As Python rounds, so that page and command line show the same bands. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
