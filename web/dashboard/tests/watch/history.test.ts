import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CommandType } from "@catenary/contract/catenary/telemetry/v1/command_pb";
import { WriterState } from "@catenary/contract/catenary/telemetry/v1/run_pb";
import { PayloadClass } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import { TrainingStatus } from "@catenary/contract/catenary/telemetry/v1/training_pb";
import { WatchRunResponseSchema } from "@catenary/contract/catenary/telemetry/v1/watch_pb";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { describe, expect, test } from "vitest";
import { History } from "../../src/watch/history";

type Event = MessageInitShape<typeof WatchRunResponseSchema>["event"];

function historyOf(...events: readonly (readonly [number, Event])[]): History {
  const history = new History();
  for (const [sequence, event] of events) {
    history.take(create(WatchRunResponseSchema, { sequence: BigInt(sequence), event }));
  }
  return history;
}

const epoch = (number: number): Event => ({
  case: "record",
  value: { timestampMs: 5_000n, payload: { case: "epochData", value: { epoch: number, averageLoss: 0.5, validationAccuracy: 0.25 } } },
});
const rate: Event = {
  case: "command",
  value: { commandId: "c1", type: CommandType.CHANGE_LEARNING_RATE, argument: { case: "learningRate", value: 0.05 } },
};

describe("the history of a run", () => {
  test("has each event once, however often it comes", () => {
    const history = historyOf([3, epoch(1)], [3, epoch(1)], [2, epoch(0)], [9, epoch(2)]);
    expect(history.news()?.epochs.map((each) => each.epoch)).toEqual([1, 2]);
    expect(history.sequence).toBe(9n);
    expect(history.news()).toBeUndefined();
  });

  test("does not take the snapshot for an event", () => {
    const history = historyOf([7, { case: "snapshot", value: {} }]);
    expect(history.sequence).toBe(0n);
    expect(history.news()).toBeUndefined();
  });

  test("has a command from its sending to its effect", () => {
    const history = historyOf([1, rate]);
    expect(history.news()?.commands).toMatchObject([{ id: "c1", name: "learning-rate", argument: 0.05, state: "pending" }]);
    const applied: Event = {
      case: "record",
      value: {
        payload: {
          case: "commandResult",
          value: {
            commandId: "c1",
            outcome: {
              case: "applied",
              value: {
                appliedAtStep: 137n,
                oldSetting: { value: { case: "learningRate", value: 0.1 } },
                newSetting: { value: { case: "learningRate", value: 0.05 } },
              },
            },
          },
        },
      },
    };
    history.take(create(WatchRunResponseSchema, { sequence: 2n, event: applied }));
    const news = history.news();
    expect(news?.commands).toMatchObject([{ id: "c1", state: "applied", appliedAtStep: 137, before: "0.1", after: "0.05" }]);
    expect(news?.log[0]?.text).toBe("learning rate 0.05 applied at step 137: 0.1 \u2192 0.05");
  });

  test("has a refusal with its reason", () => {
    const refused: Event = {
      case: "record",
      value: {
        payload: {
          case: "commandResult",
          value: { commandId: "c1", outcome: { case: "refused", value: { reason: ErrorReason.COMMAND_EXPIRED, message: "too late" } } },
        },
      },
    };
    expect(historyOf([1, rate], [2, refused]).news()?.commands[1]).toMatchObject({
      state: "refused",
      reason: "COMMAND_EXPIRED: too late",
    });
  });

  test("tells status, gaps and writers in words, with a tone", () => {
    const log = historyOf(
      [1, { case: "record", value: { payload: { case: "statusUpdate", value: { status: TrainingStatus.FAILED, message: "no memory" } } } }],
      [
        2,
        {
          case: "record",
          value: {
            payload: {
              case: "gap",
              value: { payloadClass: PayloadClass.IMAGE_BATCH, fromSequence: 4n, toSequence: 9n, droppedCount: 3n },
            },
          },
        },
      ],
      [10, { case: "runChanged", value: { writerState: WriterState.SILENT } }],
    ).news()?.log;
    expect(log?.map(({ kind, tone, text }) => [kind, tone, text])).toEqual([
      ["status", "bad", "failed: no memory"],
      ["gap", "warn", "3 batches with images were dropped by the training (4 to 9)"],
      ["writer", "warn", "the training is not heard any more"],
    ]);
  });
});
