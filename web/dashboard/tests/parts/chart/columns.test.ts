import { describe, expect, test } from "vitest";
import { columnsOf, layOut } from "../../../src/parts/chart/columns";
import type { ChartLine } from "../../../src/parts/chart/source";

const one: ChartLine = { id: "one", label: "one", colour: 1, x: [0, 1, 2], y: [5, null, 7], band: undefined };
const two: ChartLine = { id: "two", label: "two", colour: 2, x: [1, 3], y: [8, 9], band: { low: [7, 8], high: [9, 10] } };

describe("the columns of a chart", () => {
  test("are on all the x that any line has", () => {
    expect(columnsOf([one, two])).toEqual([
      [0, 1, 2, 3],
      [5, null, 7, undefined],
      [undefined, 7, undefined, 8],
      [undefined, 9, undefined, 10],
      [undefined, 8, undefined, 9],
    ]);
  });

  test("are found by their line", () => {
    expect(layOut([two, one])).toMatchObject([
      { low: 1, high: 2, y: 3 },
      { low: undefined, high: undefined, y: 4 },
    ]);
  });

  test("are one empty column without a line", () => {
    expect(columnsOf([])).toEqual([[]]);
  });
});
