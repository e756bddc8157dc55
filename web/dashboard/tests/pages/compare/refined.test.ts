import { describe, expect, test } from "vitest";
import { refined } from "../../../src/pages/compare/refined";

const series = (steps: number[]) => ({
  name: "loss",
  steps,
  times: steps.map((step) => step * 1000),
  low: steps.map((step) => step / 10),
  high: steps.map((step) => step / 5),
});

describe("a curve with finer points for a part of it", () => {
  test("has those in the place of its own, and its own before and after", () => {
    const merged = refined(series([0, 10, 20, 30, 40]), series([12, 14, 16, 20, 24]));
    expect(merged.steps).toEqual([0, 10, 12, 14, 16, 20, 24, 30, 40]);
    expect(merged.low).toEqual(merged.steps.map((step) => step / 10));
    expect(merged.times).toEqual(merged.steps.map((step) => step * 1000));
  });

  test("rises at its ends as well", () => {
    expect(refined(series([0, 10, 20]), series([15, 25])).steps).toEqual([0, 10, 15, 25]);
    expect(refined(series([10, 20]), series([0, 5])).steps).toEqual([0, 5, 10, 20]);
  });

  test("is as it was where there are none", () => {
    const coarse = series([0, 1]);
    expect(refined(coarse, undefined)).toBe(coarse);
    expect(refined(coarse, series([]))).toBe(coarse);
  });
});
