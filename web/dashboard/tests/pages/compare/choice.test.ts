import { describe, expect, test } from "vitest";
import { choicePath, MOST_RUNS, readChoice, toggled } from "../../../src/pages/compare/choice";

const read = (path: string) => readChoice(new URL(path, "http://page").searchParams);

describe("a choice of runs", () => {
  test("comes back from its address as it was", () => {
    const choice = { runs: ["a-1", "b_2", "c.3"], metrics: ["val/loss", "a b"], axis: "time" as const };
    expect(read(choicePath(choice))).toEqual(choice);
  });

  test("is empty where the address says nothing, and runs over steps", () => {
    expect(read("/compare")).toEqual({ runs: [], metrics: [], axis: "step" });
  });

  test("has each run once, and no more than can be told apart", () => {
    const many = Array.from({ length: MOST_RUNS + 3 }, (_, index) => `r${index}`);
    expect(read(`/compare?runs=a,a,,b`).runs).toEqual(["a", "b"]);
    expect(read(`/compare?runs=${many.join()}`).runs).toHaveLength(MOST_RUNS);
  });

  test("keeps its order when one is added or taken away", () => {
    expect(toggled(["a", "b"], "c")).toEqual(["a", "b", "c"]);
    expect(toggled(["a", "b", "c"], "b")).toEqual(["a", "c"]);
  });
});
