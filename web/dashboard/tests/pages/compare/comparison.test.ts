import { describe, expect, test } from "vitest";
import type { RunView } from "../../../src/model/run";
import { compare, direction, type Compared } from "../../../src/pages/compare/comparison";

const RUN: RunView = {
  id: "r",
  status: "completed",
  writer: "closed",
  client: "digits 1.0",
  tags: [],
  createdAt: 0,
  startedAt: 0,
  updatedAt: 60_000,
  endedAt: 60_000,
  model: "net",
  dataset: "digits",
  totalEpochs: 5,
  batchesPerEpoch: 10,
  batchSize: 32,
  learningRate: 0.1,
  classNames: [],
  parameters: [],
  failure: "",
  commands: [],
  metricNames: [],
  lastSequence: 1,
  storedBytes: 1,
  dropped: 0,
};

const one = (run: Partial<RunView>, finals: Record<string, number> = {}): Compared => ({
  run: { ...RUN, ...run },
  finals: new Map(Object.entries(finals).map(([name, last]) => [name, { last, least: last - 1, greatest: last + 1 }])),
});

const row = (runs: readonly Compared[], name: string) =>
  compare(runs, 0)
    .flatMap(({ rows }) => rows)
    .find((each) => each.name === name);

describe("a comparison", () => {
  test("marks the settings that differ, and only those", () => {
    const runs = [one({ learningRate: 0.1 }), one({ id: "s", learningRate: 0.01 })];
    expect(row(runs, "learning rate")?.differs).toBe(true);
    expect(row(runs, "batch size")?.differs).toBe(false);
  });

  test("has a row for what only one run has, with a dash for the others", () => {
    const runs = [one({}), one({ parameters: [{ name: "momentum", value: "0.9" }] })];
    expect(row(runs, "momentum")?.cells.map(({ text }) => text)).toEqual(["\u2013", "0.9"]);
    expect(row(runs, "momentum")?.differs).toBe(true);
  });

  test("says how much a metric differs from the first run, and which run is best", () => {
    const runs = [one({}, { validation_loss: 0.5, accuracy: 0.8 }), one({}, { validation_loss: 0.25, accuracy: 0.7 })];
    expect(row(runs, "validation_loss")?.cells.map(({ difference, best }) => [difference, best])).toEqual([
      ["", false],
      ["\u22120.25 (\u221250.0 %)", true],
    ]);
    expect(row(runs, "accuracy")?.cells.map(({ best }) => best)).toEqual([true, false]);
  });

  test("calls none best where all are equal, where one is alone, or where nobody knows what is better", () => {
    expect(row([one({}, { loss: 1 }), one({}, { loss: 1 })], "loss")?.cells.some(({ best }) => best)).toBe(false);
    expect(row([one({}, { loss: 1 }), one({})], "loss")?.cells.some(({ best }) => best)).toBe(false);
    expect(row([one({}, { tau: 1 }), one({}, { tau: 2 })], "tau")?.cells.some(({ best }) => best)).toBe(false);
  });

  test("takes a loss that is no number for neither best nor different by a number", () => {
    const cells = row([one({}, { loss: 1 }), one({}, { loss: NaN }), one({}, { loss: 2 })], "loss")?.cells;
    expect(cells?.map(({ text, best, difference }) => [text, best, difference])).toEqual([
      ["1", true, ""],
      ["NaN", false, ""],
      ["2", false, "+1 (+100.0 %)"],
    ]);
  });
});

test.each([
  ["validation_loss", -1],
  ["train/deep_svdd_loss", -1],
  ["val_auroc", 1],
  ["batch_accuracy", 1],
  ["iou", 1],
  ["learning_rate", 0],
])("%s is better in direction %i", (name, expected) => {
  expect(direction(name)).toBe(expected);
});
