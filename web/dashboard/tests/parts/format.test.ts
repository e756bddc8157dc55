import { describe, expect, test } from "vitest";
import { formatAgo, formatBytes, formatDuration, formatShare, formatValue } from "../../src/parts/format";

describe("a value", () => {
  test.each([
    [0, "0"],
    [0.123456, "0.1235"],
    [1234.567, "1235"],
    [0.00012, "1.20e-4"],
    [1.5e7, "1.50e7"],
    [NaN, "NaN"],
    [-Infinity, "-\u221e"],
    [undefined, "\u2013"],
  ])("%s is written %s", (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
});

describe("a duration", () => {
  test.each([
    [0.25, "0.3 s"],
    [59.6, "60 s"],
    [61, "1 min 1 s"],
    [3_725, "1 h 2 min"],
    [90_000, "1 d 1 h"],
    [-1, "\u2013"],
    [NaN, "\u2013"],
  ])("of %s seconds is written %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

test("shares are in percent, and unknown ones a dash", () => {
  expect([formatShare(0.981), formatShare(1, 0), formatShare(NaN)]).toEqual(["98.1 %", "100 %", "\u2013"]);
});

test("bytes are in units of a thousand", () => {
  expect([formatBytes(999), formatBytes(1_500), formatBytes(43_900_000), formatBytes(2.5e12)]).toEqual([
    "999 B",
    "1.5 kB",
    "43.9 MB",
    "2.5 TB",
  ]);
});

test("what was just now is now, and what was long ago has its date", () => {
  const now = Date.UTC(2026, 0, 31, 12);
  expect(formatAgo(now - 2_000, now)).toBe("now");
  expect(formatAgo(now - 90_000, now)).toBe("2 min ago");
  expect(formatAgo(now - 30 * 86_400_000, now)).toBe("2026-01-01");
});
