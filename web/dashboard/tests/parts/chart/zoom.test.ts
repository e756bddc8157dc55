import { describe, expect, test } from "vitest";
import { atEnd, moved, scaled } from "../../../src/parts/chart/zoom";

describe("a window on a chart", () => {
  test("goes along with the end of the data", () => {
    expect(atEnd([10, 30], [0, 100])).toEqual([80, 100]);
  });

  test("that is wider than the data begins where they begin", () => {
    expect(atEnd([0, 300], [0, 100])).toEqual([0, 100]);
  });

  test("comes closer around its middle", () => {
    expect(scaled([20, 40], 0.5, false)).toEqual([25, 35]);
  });

  test("comes closer to its end where that is followed", () => {
    expect(scaled([20, 40], 0.5, true)).toEqual([30, 40]);
  });

  test("moves no further than the data reach", () => {
    expect(moved([20, 40], -50, [0, 100])).toEqual([0, 20]);
    expect(moved([20, 40], 90, [0, 100])).toEqual([80, 100]);
  });
});
