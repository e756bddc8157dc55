import { describe, expect, test } from "vitest";
import { lightness, SCORE_COLOURS, scoreColour } from "../../../../src/pages/sessions/preview/colour-map";
import { falseColour, pictureBands } from "../../../../src/pages/sessions/preview/false-colour";
import { maskPicture, scorePicture, scoreScale } from "../../../../src/pages/sessions/preview/score-scale";
import { percentile, rankOf, sortedFinite } from "../../../../src/pages/sessions/preview/statistics";

describe("the colours of scores", () => {
  test("rise evenly in lightness", () => {
    const light = SCORE_COLOURS.map(lightness);
    const steps = light.slice(1).map((value, index) => value - (light[index] ?? 0));
    const even = ((light[255] ?? 0) - (light[0] ?? 0)) / 255;
    expect(even).toBeGreaterThan(0.0029);
    for (const step of steps) {
      expect(Math.abs(step - even)).toBeLessThan(0.004); // a colour has 8 bits a channel
    }
  });

  test("change without an edge, in every channel", () => {
    SCORE_COLOURS.slice(1).forEach((colour, index) => {
      colour.forEach((value, channel) => {
        expect(Math.abs(value - (SCORE_COLOURS[index]?.[channel] ?? 0))).toBeLessThanOrEqual(6);
      });
    });
  });

  test("end where the scale ends, and what is no number has none", () => {
    expect(scoreColour(7)).toBe(SCORE_COLOURS[255]);
    expect(scoreColour(-7)).toBe(SCORE_COLOURS[0]);
    expect(scoreColour(NaN)).toBeUndefined();
  });
});

describe("the bands of a picture", () => {
  test("are those nearest to red, green and blue light", () => {
    expect(pictureBands(5, Float64Array.of(450, 500, 550, 600, 650))).toEqual([4, 2, 0]);
  });

  test("are spaced equally without wavelengths, and beyond the visible", () => {
    expect(pictureBands(100, undefined)).toEqual([82, 50, 16]);
    expect(pictureBands(100, Float64Array.from({ length: 100 }, (_, band) => 1000 + band))).toEqual([82, 50, 16]);
    expect(pictureBands(1, undefined)).toEqual([0, 0, 0]);
  });
});

test("false colour stretches each band between its percentiles, and has grey for one without contrast", () => {
  const values = Float32Array.from({ length: 50 * 2 }, (_, index) => (index % 2 === 0 ? index / 2 : 3));
  const scene = { name: "", rows: 5, cols: 10, bands: 2, values, dtype: "<f4", wavelengths: undefined, truth: undefined };
  const picture = falseColour(scene, [0, 0, 1]);
  expect([picture[0], picture[49 * 4], picture[2]]).toEqual([0, 255, 128]);
  expect(Math.abs((picture[24 * 4] ?? 0) - 255 * ((24 - 0.98) / (48.02 - 0.98)))).toBeLessThanOrEqual(0.5);
});

describe("the scale of scores", () => {
  const scores = Float32Array.from({ length: 1001 }, (_, index) => (index === 1000 ? 1e6 : index));

  test("by value is not stretched by an outlier, which has the last colour", () => {
    const scale = scoreScale(scores, "value");
    expect(scale.ticks[4]).toBeCloseTo(995, 0);
    expect(scale.share(1e6)).toBeGreaterThan(1);
  });

  test("by rank has half of the scores below the middle colour", () => {
    const scale = scoreScale(scores, "rank");
    expect(scale.share(500)).toBeCloseTo(0.5, 2);
    expect(scale.ticks[2]).toBe(500);
  });

  test("of equal scores is one colour and no fault", () => {
    const picture = scorePicture(Float32Array.of(2, 2, NaN), scoreScale(Float32Array.of(2, 2, NaN), "value"));
    expect([...picture.slice(0, 3)]).toEqual([...picture.slice(4, 7)]);
    expect([...picture.slice(8, 11)]).toEqual([128, 128, 128]);
  });
});

test("a mask is light where something is", () => {
  const picture = maskPicture(Uint8Array.of(0, 1));
  expect(picture[0]).toBeLessThan(50);
  expect(picture[4]).toBeGreaterThan(200);
});

test("percentiles are those of NumPy, and ranks count ties half", () => {
  const sorted = sortedFinite([3, NaN, 1, 2, Infinity, 4]);
  expect([...sorted]).toEqual([1, 2, 3, 4]);
  expect(percentile(sorted, 25)).toBeCloseTo(1.75);
  expect(percentile(new Float64Array(), 50)).toBeNaN();
  expect(rankOf(Float64Array.of(1, 2, 2, 3), 2)).toBe(0.5);
});
