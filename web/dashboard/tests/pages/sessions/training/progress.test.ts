import { create } from "@bufbuild/protobuf";
import { ExecutionStage } from "@catenary/contract/catenary/v1/execution_stage_pb";
import { TrainerType, TrainStatus } from "@catenary/contract/catenary/v1/training_pb";
import { WatchTrainingResponseSchema } from "@catenary/contract/catenary/v1/training_requests_pb";
import { describe, expect, test } from "vitest";
import { ProgressLog } from "../../../../src/pages/sessions/training/progress";

const event = (sequence: number, epoch: number, step: number, losses: Record<string, number>, stage = ExecutionStage.TRAIN) =>
  create(WatchTrainingResponseSchema, {
    update: {
      case: "progress",
      value: {
        sequence: BigInt(sequence),
        runId: "r",
        status: TrainStatus.IN_PROGRESS,
        phase: TrainerType.GRADIENT,
        context: { stage, epoch, globalStep: step },
        losses,
      },
    },
  });

describe("the progress of a training", () => {
  test("has curves by step, and means of each epoch", () => {
    const log = new ProgressLog();
    log.take(event(1, 0, 1, { loss: 4 }));
    log.take(event(2, 0, 2, { loss: 2 }));
    log.take(event(3, 0, 2, { val_loss: 1 }, ExecutionStage.VALIDATE));
    log.take(event(4, 1, 3, { loss: 1 }));
    const progress = log.view();
    expect(progress?.curves).toEqual([
      { name: "loss", steps: [1, 2, 3], values: [4, 2, 1] },
      { name: "val_loss", steps: [2], values: [1] },
    ]);
    expect(progress?.epochs).toEqual([
      { epoch: 0, values: { loss: 3, val_loss: 1 } },
      { epoch: 1, values: { loss: 1 } },
    ]);
    expect([progress?.phase, progress?.status, progress?.sequence]).toEqual(["gradient", "running", 4n]);
  });

  test("counts an event once that a second watch brings again", () => {
    const log = new ProgressLog();
    log.take(event(1, 0, 1, { loss: 4 }));
    log.take(event(1, 0, 1, { loss: 4 }));
    expect(log.view()?.curves[0]?.values).toEqual([4]);
    expect(log.sequence).toBe(1n);
  });

  test("is that of the snapshot before any event, and is none before that", () => {
    const log = new ProgressLog();
    expect(log.view()).toBeUndefined();
    const latest = { runId: "r", status: TrainStatus.CANCELLED, failure: { message: "stopped" } };
    log.take(create(WatchTrainingResponseSchema, { update: { case: "snapshot", value: latest }, droppedCount: 3n }));
    expect(log.view()).toMatchObject({ status: "cancelled", failure: "stopped", dropped: 3, curves: [], sequence: 0n });
  });
});
