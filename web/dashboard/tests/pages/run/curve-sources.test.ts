import { describe, expect, test } from "vitest";
import { refined } from "../../../src/pages/run/curve-sources";

const points = (...steps: number[]) => ({
  steps: Float64Array.from(steps),
  lows: Float64Array.from(steps, (step) => -step),
  highs: Float64Array.from(steps, (step) => step),
});

describe("a curve with a part in more points", () => {
  test("has these instead of its own between the ends of the part", () => {
    const curve = refined(points(0, 10, 20, 30), points(12, 14, 16, 20));
    expect([...curve.steps]).toEqual([0, 10, 12, 14, 16, 20, 30]);
    expect([...curve.lows]).toEqual([-0, -10, -12, -14, -16, -20, -30]);
  });

  test("may be refined at its ends", () => {
    expect([...refined(points(0, 10), points(0, 1)).steps]).toEqual([0, 1, 10]);
    expect([...refined(points(0, 10), points(10, 11)).steps]).toEqual([0, 10, 11]);
    expect([...refined(points(0, 10), points(12)).steps]).toEqual([0, 10, 12]);
  });

  test("stays as it is without a part", () => {
    const curve = points(0, 10);
    expect(refined(curve, points())).toBe(curve);
  });
});
