import { create } from "@bufbuild/protobuf";
import { MetricSeriesSchema } from "@catenary/contract/catenary/telemetry/v1/metric_pb";
import { describe, expect, test } from "vitest";
import { Curve } from "../../src/watch/curve";

function filled(count: number, value: (step: number) => number): Curve {
  const curve = new Curve("batch_loss");
  for (let step = 0; step < count; step += 1) {
    curve.append(step, step * 10, value(step), step + 1);
  }
  return curve;
}

describe("a curve", () => {
  test("holds each sample while there is room", () => {
    const view = filled(5, (step) => step * step).view(100);
    expect([...view.steps]).toEqual([0, 1, 2, 3, 4]);
    expect([...view.lows]).toEqual([0, 1, 4, 9, 16]);
    expect(view.samplesPerPoint).toBe(1);
  });

  test("shown in few points keeps the least and the greatest value", () => {
    const view = filled(1_000, (step) => (step === 333 ? -7 : step === 666 ? 9 : 0)).view(10);
    expect(view.steps.length).toBeLessThanOrEqual(10);
    expect(Math.min(...view.lows)).toBe(-7);
    expect(Math.max(...view.highs)).toBe(9);
  });

  test("stays in bounded memory however long the run, and loses no peak", () => {
    const curve = filled(100_000, (step) => (step === 12_345 ? 50 : step === 99_999 ? -50 : 1));
    expect(curve.length).toBeLessThanOrEqual(8_192);
    const view = curve.view(10_000);
    expect(Math.max(...view.highs)).toBe(50);
    expect(Math.min(...view.lows)).toBe(-50);
    expect([...view.steps]).toEqual([...view.steps].sort((one, other) => one - other));
  });

  test("leaves values that are no numbers out of its range, and keeps a point of nothing else", () => {
    const curve = filled(4, (step) => (step < 2 ? NaN : step));
    const view = curve.view(2);
    expect([...view.lows]).toEqual([NaN, 2]);
    expect([...view.highs]).toEqual([NaN, 3]);
  });

  test("goes on from the server's history, whose last point may stand for fewer samples", () => {
    const curve = new Curve("batch_loss");
    const series = create(MetricSeriesSchema, {
      globalSteps: [0n, 2n, 4n],
      logTimesUnixMs: [0n, 20n, 40n],
      minimums: [1, 2, 3],
      maximums: [1.5, 2.5, 3],
      samplesPerPoint: 2n,
      sampleCount: 5n,
    });
    curve.reset(series, 10);
    curve.append(5, 50, 7, 11);
    curve.append(6, 60, 8, 12);
    const view = curve.view(100);
    expect([...view.steps]).toEqual([0, 2, 4, 6]);
    expect([...view.highs]).toEqual([1.5, 2.5, 7, 8]);
  });

  test("takes a sample that the history has already no second time", () => {
    const curve = new Curve("batch_loss");
    const series = create(MetricSeriesSchema, {
      globalSteps: [1n, 2n],
      logTimesUnixMs: [0n, 0n],
      minimums: [1, 2],
      samplesPerPoint: 1n,
      sampleCount: 2n,
    });
    curve.reset(series, 20);
    expect(curve.append(2, 0, 2, 20)).toBe(false);
    expect(curve.append(3, 0, 3, 20)).toBe(true);
    expect(curve.append(3, 0, 4, 21)).toBe(true);
    expect(curve.length).toBe(4);
  });
});
