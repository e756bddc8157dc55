import { describe, expect, test } from "vitest";
import { backoffMs } from "../../src/rpc/backoff";

describe("the wait before an attempt to connect", () => {
  test("is next to nothing at first", () => {
    expect(backoffMs(0, true, 1)).toBeLessThanOrEqual(50);
  });

  test("doubles up to 150 ms while somebody looks, so that the view is back within 0.3 s", () => {
    expect([1, 2, 3, 4, 50].map((attempt) => backoffMs(attempt, true, 1))).toEqual([50, 100, 150, 150, 150]);
  });

  test("grows to seconds where nobody looks", () => {
    expect(backoffMs(30, false, 1)).toBe(5_000);
  });

  test("is spread over half of its length", () => {
    expect(backoffMs(5, true, 0)).toBe(75);
    expect(backoffMs(5, true, 0.5)).toBe(112.5);
  });

  test("is a second after minutes without a server", () => {
    expect(backoffMs(2_000, true, 1)).toBe(1_000);
  });
});
