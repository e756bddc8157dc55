import { describe, expect, test } from "vitest";
import { lineOf, smooth, type ChartSource } from "../../../src/parts/chart/source";

const plain: ChartSource = { id: "a", label: "a", colour: 1, x: [0, 1, 2], low: [1, 2, 3], high: [1, 2, 3] };

describe("smoothing", () => {
  test("by nothing changes nothing", () => {
    expect(smooth([3, 1, 2], 0)).toEqual([3, 1, 2]);
  });

  test("begins with the first value, without a bias towards zero", () => {
    expect(smooth([4, 4, 4], 0.9)).toEqual([4, 4, 4].map((value) => expect.closeTo(value, 12) as number));
  });

  test("weighs the values before", () => {
    expect(smooth([0, 1], 0.5)[1]).toBeCloseTo(2 / 3);
  });

  test("passes over what is no number", () => {
    expect(smooth([2, NaN, 2], 0.5)).toEqual([2, NaN, expect.closeTo(2, 12) as number]);
  });
});

describe("a line", () => {
  test("is the values themselves where a point is one sample", () => {
    expect(lineOf(plain, 0, false)).toMatchObject({ y: [1, 2, 3], band: undefined });
  });

  test("has the range of its samples behind it where a point stands for many", () => {
    const line = lineOf({ ...plain, high: [3, 4, 5] }, 0, false);
    expect(line.y).toEqual([2, 3, 4]);
    expect(line.band).toEqual({ low: [1, 2, 3], high: [3, 4, 5] });
  });

  test("keeps what was measured behind it when it is smoothed", () => {
    expect(lineOf(plain, 0.5, false).band).toEqual({ low: [1, 2, 3], high: [1, 2, 3] });
  });

  test("leaves out what cannot be drawn: no numbers, and nothing below zero on a logarithmic scale", () => {
    const line = lineOf({ ...plain, low: [NaN, -1, 3], high: [NaN, -1, 3] }, 0, true);
    expect(line.y).toEqual([null, null, 3]);
  });
});
