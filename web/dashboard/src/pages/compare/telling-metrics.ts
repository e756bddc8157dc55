/** Which metrics to show first. */
import type { RunView } from "../../model/run";
import { direction } from "./comparison";

const SHOWN_FIRST = 2;
const FIGURES_OF_THE_MACHINE = /fps|cpu|gpu|memory|time_per_batch|learning_rate/;

/** Those that most of the runs have: a loss and a score, validation before training. */
export function tellingMetrics(runs: readonly RunView[]): string[] {
  const counts = new Map<string, number>();
  for (const name of runs.flatMap((run) => run.metricNames)) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const names = [...counts.keys()].filter((name) => !FIGURES_OF_THE_MACHINE.test(name));
  const ranked = names.sort((one, other) => weight(other, counts) - weight(one, counts) || one.localeCompare(other));
  const loss = ranked.find((name) => direction(name) < 0);
  const score = ranked.find((name) => direction(name) > 0);
  const telling = [loss, score].filter((name) => name !== undefined);
  return telling.length > 0 ? telling : ranked.slice(0, SHOWN_FIRST);
}

function weight(name: string, counts: ReadonlyMap<string, number>): number {
  return 4 * (counts.get(name) ?? 0) + (/^val/.test(name) ? 2 : 0) + (/batch/.test(name) ? 1 : 0);
}
