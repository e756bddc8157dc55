import { describe, expect, test } from "vitest";
import { sortRows, type Column } from "../../src/parts/data-table";

interface Row {
  readonly name: string;
  readonly loss: number;
}

const columns: Column<Row>[] = [
  { key: "name", title: "Name", cell: (row) => row.name, sortBy: (row) => row.name },
  { key: "loss", title: "Loss", cell: (row) => row.loss, sortBy: (row) => row.loss },
  { key: "other", title: "Other", cell: () => "" },
];
const rows: Row[] = [
  { name: "run 10", loss: 2 },
  { name: "run 9", loss: NaN },
  { name: "run 1", loss: 1 },
];
const names = (key: string, descending: boolean): string[] =>
  sortRows(rows, columns, { key, descending }).map((row) => row.name);

describe("the rows of a table", () => {
  test("sort by numbers in texts as numbers", () => {
    expect(names("name", false)).toEqual(["run 1", "run 9", "run 10"]);
  });

  test("sort both ways, with what is no number last", () => {
    expect(names("loss", false)).toEqual(["run 1", "run 10", "run 9"]);
    expect(names("loss", true)).toEqual(["run 10", "run 1", "run 9"]);
  });

  test("stay as they came where a column does not sort, or none is chosen", () => {
    expect(names("other", true)).toEqual(["run 10", "run 9", "run 1"]);
    expect(sortRows(rows, columns, undefined)).toBe(rows);
  });
});
