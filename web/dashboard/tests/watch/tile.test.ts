import { create } from "@bufbuild/protobuf";
import { BatchDataSchema } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import { describe, expect, test } from "vitest";
import { gridOf, tilesOf } from "../../src/watch/tile";

const batch = create(BatchDataSchema, {
  images: [{ imageId: "first" }, {}, {}],
  predictions: [
    {
      predictedClass: 1,
      confidence: 0.9,
      topKScores: [
        { classIdx: 1, score: 0.9 },
        { classIdx: 0, label: "cat?", score: 0.1 },
      ],
    },
    { predictedClass: 0, predictedLabel: "own name", confidence: 0.5 },
  ],
  groundTruth: [1, 1],
});

describe("the tiles of a batch", () => {
  const [right, wrong, bare] = tilesOf(batch, ["cat", "dog"]);

  test("are right where the prediction is the truth", () => {
    expect(right).toMatchObject({ name: "first", predicted: "dog", truth: "dog", right: true });
    expect(right?.guesses).toEqual([
      { label: "dog", score: expect.closeTo(0.9) as number },
      { label: "cat?", score: expect.closeTo(0.1) as number },
    ]);
  });

  test("are wrong where it is not, and keep the label of the training", () => {
    expect(wrong).toMatchObject({ predicted: "own name", truth: "dog", right: false });
    expect(wrong?.guesses).toEqual([{ label: "own name", score: 0.5 }]);
  });

  test("are neither where nothing is known", () => {
    expect(bare).toMatchObject({ predicted: undefined, truth: undefined, right: undefined, guesses: [] });
  });

  test("without names of classes have their numbers", () => {
    expect(tilesOf(batch, [])[0]).toMatchObject({ predicted: "1", truth: "1" });
  });
});

test.each([
  [1, 1, 1],
  [2, 2, 1],
  [5, 3, 2],
  [16, 4, 4],
])("%i tiles are in %i columns and %i rows", (count, columns, rows) => {
  expect(gridOf(count)).toEqual({ columns, rows });
});
