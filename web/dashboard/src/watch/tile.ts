/** What is known of the tiles of a batch. */
import type { BatchData, Prediction } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import type { TileView } from "./view";

const MOST_GUESSES = 3;

/** A tile for each image, with its prediction and its truth as far as they came. */
export function tilesOf(batch: BatchData, classNames: readonly string[]): TileView[] {
  return batch.images.map((image, index) => {
    const prediction = batch.predictions[index];
    const truth = batch.groundTruth[index];
    return {
      name: image.imageId,
      predicted: prediction === undefined ? undefined : labelOf(prediction.predictedClass, prediction.predictedLabel, classNames),
      confidence: prediction?.confidence,
      truth: truth === undefined ? undefined : labelOf(truth, "", classNames),
      right: prediction === undefined || truth === undefined ? undefined : prediction.predictedClass === truth,
      guesses: guessesOf(prediction, classNames),
    };
  });
}

/** Columns and rows of a grid of tiles that is as square as can be. */
export function gridOf(count: number): { columns: number; rows: number } {
  const columns = Math.max(1, Math.ceil(Math.sqrt(count)));
  return { columns, rows: Math.max(1, Math.ceil(count / columns)) };
}

function guessesOf(prediction: Prediction | undefined, classNames: readonly string[]): TileView["guesses"] {
  if (prediction === undefined) {
    return [];
  }
  const best = prediction.topKScores.slice(0, MOST_GUESSES);
  return best.length > 0
    ? best.map(({ classIdx, label, score }) => ({ label: labelOf(classIdx, label, classNames), score }))
    : [{ label: labelOf(prediction.predictedClass, prediction.predictedLabel, classNames), score: prediction.confidence }];
}

function labelOf(index: number, label: string, classNames: readonly string[]): string {
  return label === "" ? (classNames[index] ?? String(index)) : label;
}
