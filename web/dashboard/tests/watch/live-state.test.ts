import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { TrainingStatus } from "@catenary/contract/catenary/telemetry/v1/training_pb";
import { WatchRunResponseSchema } from "@catenary/contract/catenary/telemetry/v1/watch_pb";
import { describe, expect, test } from "vitest";
import { LiveState } from "../../src/watch/live-state";

type Init = MessageInitShape<typeof WatchRunResponseSchema>;

const snapshot: Init = {
  sequence: 10n,
  event: {
    case: "snapshot",
    value: {
      run: { runId: "r", status: TrainingStatus.RUNNING, lastSequence: 12n, metricNames: ["batch_loss"], config: { classNames: ["cat"] } },
      series: [{ metricName: "batch_loss", globalSteps: [1n, 2n], logTimesUnixMs: [0n, 0n], minimums: [5, 4], samplesPerPoint: 1n, sampleCount: 2n }],
    },
  },
};

function batch(sequence: number, step: number | undefined, images: { imageBytes: Uint8Array }[] = []): Init {
  const value = { globalStep: step === undefined ? undefined : BigInt(step), batchLoss: step ?? 0, batchAccuracy: 0.5, images };
  return { sequence: BigInt(sequence), event: { case: "record", value: { payload: { case: "batchData", value } } } };
}

function stateOf(...messages: readonly Init[]): LiveState {
  const state = new LiveState();
  for (const message of messages) {
    state.take(create(WatchRunResponseSchema, message));
  }
  return state;
}

describe("a run as it is now", () => {
  test("begins with its snapshot", () => {
    const state = stateOf(snapshot);
    expect(state.run).toMatchObject({ id: "r", status: "running", classNames: ["cat"] });
    expect(state.step).toBe(2);
    expect([...(state.curves(["batch_loss"], 100)[0]?.steps ?? [])]).toEqual([1, 2]);
  });

  test("does not count twice what the snapshot has already", () => {
    const state = stateOf(snapshot, batch(12, 2), batch(13, 3));
    expect([...(state.curves(["batch_loss"], 100)[0]?.steps ?? [])]).toEqual([1, 2, 3]);
  });

  test("begins anew with the snapshot after a cut, so that nothing between is missing", () => {
    const state = stateOf(snapshot, batch(13, 3), {
      ...snapshot,
      event: {
        case: "snapshot",
        value: {
          run: { runId: "r", lastSequence: 99n },
          series: [
            {
              metricName: "batch_loss",
              globalSteps: [1n, 2n, 3n, 4n, 5n],
              logTimesUnixMs: [0n, 0n, 0n, 0n, 0n],
              minimums: [5, 4, 3, 2, 1],
              samplesPerPoint: 1n,
              sampleCount: 5n,
            },
          ],
        },
      },
    });
    expect([...(state.curves(["batch_loss"], 100)[0]?.lows ?? [])]).toEqual([5, 4, 3, 2, 1]);
  });

  test("counts the steps of trainings that number none", () => {
    expect(stateOf(snapshot, batch(13, undefined), batch(14, undefined)).step).toBe(4);
  });

  test("takes status and settings from what the training says", () => {
    const state = stateOf(snapshot, {
      sequence: 13n,
      event: {
        case: "record",
        value: { payload: { case: "statusUpdate", value: { status: TrainingStatus.PAUSED, config: { modelName: "m" } } } },
      },
    });
    expect(state.run).toMatchObject({ status: "paused", model: "m" });
  });

  test("gives the batch whose images came, and none whose images were left out", () => {
    const state = new LiveState();
    const take = (init: Init) => state.take(create(WatchRunResponseSchema, init));
    expect(take(batch(1, 1, [{ imageBytes: new Uint8Array([1]) }]))?.images.length).toBe(1);
    expect(take(batch(2, 2, [{ imageBytes: new Uint8Array() }]))).toBeUndefined();
  });

  test("knows a metric from its first value on", () => {
    const state = stateOf(snapshot, batch(13, 3));
    expect(state.run?.metricNames).toEqual(["batch_accuracy", "batch_loss"]);
  });

  test("gives curves that changed, once", () => {
    const state = stateOf(snapshot);
    expect(state.curves(["batch_loss"], 10).length).toBe(1);
    expect(state.curves(["batch_loss"], 10).length).toBe(0);
    state.touch(["batch_loss"]);
    expect(state.hasNews(["batch_loss"])).toBe(true);
  });
});
