/**
 * Colours for scores: as even to the eye as they are in value.
 *
 * A path through OKLab (Bjorn Ottosson, "A perceptual color space for image processing", 2020) whose lightness rises
 * evenly from night blue to pale yellow, so that it also reads in grey and with any colour vision.
 */

const STEPS = 256;
const LIGHTNESS = { from: 0.2, to: 0.96 };
const HUE_DEGREES = { from: 285, to: 100 };
const CHROMA = 0.17;
const CHROMA_STEP = 0.002;
/** Colours on each side that a colour is levelled with. */
const REACH = 24;

/** Red, green and blue from 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

/** The 256 colours of the map, darkest first. */
export const SCORE_COLOURS: readonly Colour[] = scoreColours();

/** The colour of a share from 0 to 1; what is no number has none. */
export function scoreColour(share: number): Colour | undefined {
  if (Number.isNaN(share)) {
    return undefined;
  }
  return SCORE_COLOURS[Math.round(Math.min(1, Math.max(0, share)) * (STEPS - 1))];
}

/** OKLab lightness, from 0 to 1, of a colour. */
export function lightness([red, green, blue]: Colour): number {
  const [r, g, b] = [red, green, blue].map((value) => toLinear(value / 255)) as [number, number, number];
  const long = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const medium = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const short = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return 0.2104542553 * long + 0.793617785 * medium - 0.0040720468 * short;
}

/** As colourful as a screen can be, but without bends: a bend would look like an edge in the scores. */
function scoreColours(): Colour[] {
  const most = Array.from({ length: STEPS }, (_, index) => greatestChroma(index / (STEPS - 1)));
  // A mean of least values is nowhere above what it was made from.
  const least = most.map((_, index) => Math.min(...around(most, index)));
  return most.map((_, index) => {
    const near = around(least, index);
    const chroma = near.reduce((sum, value) => sum + value, 0) / near.length;
    return screen(linearAt(index / (STEPS - 1), chroma));
  });
}

/** Values near a place; at the ends the last one stands for those that are missing. */
function around(values: readonly number[], place: number): number[] {
  return Array.from({ length: 2 * REACH + 1 }, (_, index) => {
    const clamped = Math.min(values.length - 1, Math.max(0, place - REACH + index));
    return values[clamped] ?? 0;
  });
}

/** How colourful a screen can be at a place of the path. */
function greatestChroma(share: number): number {
  let chroma = CHROMA;
  while (chroma > 0 && !linearAt(share, chroma).every((value) => value >= 0 && value <= 1)) {
    chroma -= CHROMA_STEP;
  }
  return Math.max(0, chroma);
}

function linearAt(share: number, chroma: number): [number, number, number] {
  const light = LIGHTNESS.from + (LIGHTNESS.to - LIGHTNESS.from) * share;
  const hue = ((HUE_DEGREES.from + (HUE_DEGREES.to - HUE_DEGREES.from) * share) * Math.PI) / 180;
  return linearOf(light, chroma * Math.cos(hue), chroma * Math.sin(hue));
}

function linearOf(light: number, a: number, b: number): [number, number, number] {
  const long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

function screen(linear: readonly [number, number, number]): Colour {
  return linear.map((value) => Math.round(255 * toScreen(Math.min(1, Math.max(0, value))))) as unknown as Colour;
}

function toScreen(value: number): number {
  return value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
}

function toLinear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}
