/** What differs between runs: their settings, and what came of them. */
import { isFinal, type RunView } from "../../model/run";
import { formatDate, formatDuration, formatValue } from "../../parts/format";
import type { Final } from "./series";

/** A run, and the outcome of its metrics by name. */
export interface Compared {
  readonly run: RunView;
  readonly finals: ReadonlyMap<string, Final>;
}

/** What one run has in a row. */
export interface ComparedCell {
  readonly text: string;
  /** Second line: the range of a metric. */
  readonly detail: string;
  /** Against the first run; empty for it, for text, and for what is equal. */
  readonly difference: string;
  /** Whether no other run did better. Never said where all are equal, or where nobody knows what is better. */
  readonly best: boolean;
}

/** A setting or a metric of every run. */
export interface ComparedRow {
  readonly name: string;
  readonly differs: boolean;
  readonly cells: readonly ComparedCell[];
}

/** Rows that belong together. */
export interface ComparedGroup {
  readonly title: string;
  readonly rows: readonly ComparedRow[];
}

const MISSING = "\u2013";
const LOWER_IS_BETTER = /loss|error|perplexity|(^|_)(mse|mae|rmse|nll)(_|$)/i;
const HIGHER_IS_BETTER = /accuracy|(^|_)(acc|auroc|auc|iou|precision|recall|f1|dice|psnr|ssim|map)(_|$)/i;

/** Every row, by groups; groups without rows are left out. */
export function compare(runs: readonly Compared[], now: number): ComparedGroup[] {
  const groups = [
    { title: "Run", rows: aboutRows(runs, now) },
    { title: "Settings", rows: namedRows(runs, settingsOf) },
    { title: "Tags", rows: namedRows(runs, ({ run }) => new Map(run.tags.map(({ name, value }) => [name, value]))) },
    { title: "Final metrics", rows: metricRows(runs) },
  ];
  return groups.filter(({ rows }) => rows.length > 0);
}

/** Whether a metric is better when it is lower (-1) or higher (1); 0 where its name does not tell. */
export function direction(metric: string): -1 | 0 | 1 {
  return LOWER_IS_BETTER.test(metric) ? -1 : HIGHER_IS_BETTER.test(metric) ? 1 : 0;
}

function aboutRows(runs: readonly Compared[], now: number): ComparedRow[] {
  const row = (name: string, text: (run: RunView) => string): ComparedRow => plainRow(name, runs.map(({ run }) => text(run)));
  return [
    row("status", (run) => run.status),
    row("client", (run) => run.client || MISSING),
    row("started", (run) => (run.startedAt === undefined ? MISSING : formatDate(run.startedAt))),
    row("duration", (run) => {
      const end = run.endedAt ?? (isFinal(run.status) ? run.updatedAt : now);
      return run.startedAt === undefined ? MISSING : formatDuration((end - run.startedAt) / 1000);
    }),
  ];
}

function settingsOf({ run }: Compared): Map<string, string> {
  const known: [string, string | number | undefined][] = [
    ["model", run.model || undefined],
    ["dataset", run.dataset || undefined],
    ["epochs", run.totalEpochs],
    ["batches per epoch", run.batchesPerEpoch],
    ["batch size", run.batchSize],
    ["learning rate", run.learningRate === undefined ? undefined : formatValue(run.learningRate)],
    ...run.parameters.map(({ name, value }): [string, string] => [name, value]),
  ];
  return new Map(known.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as const])));
}

function namedRows(runs: readonly Compared[], valuesOf: (run: Compared) => ReadonlyMap<string, string>): ComparedRow[] {
  const values = runs.map(valuesOf);
  const names = [...new Set(values.flatMap((each) => [...each.keys()]))];
  return names.map((name) => plainRow(name, values.map((each) => each.get(name) ?? MISSING)));
}

function plainRow(name: string, texts: readonly string[]): ComparedRow {
  return {
    name,
    differs: new Set(texts).size > 1,
    cells: texts.map((text) => ({ text, detail: "", difference: "", best: false })),
  };
}

function metricRows(runs: readonly Compared[]): ComparedRow[] {
  const names = [...new Set(runs.flatMap(({ finals }) => [...finals.keys()]))].sort();
  return names.map((name) => metricRow(name, runs.map(({ finals }) => finals.get(name))));
}

function metricRow(name: string, finals: readonly (Final | undefined)[]): ComparedRow {
  const values = finals.map((final) => final?.last);
  const differs = new Set(values.map(String)).size > 1;
  const towards = direction(name);
  const known = values.filter((value): value is number => value !== undefined && Number.isFinite(value));
  const best = towards > 0 ? Math.max(...known) : Math.min(...known);
  return {
    name,
    differs,
    cells: finals.map((final, index) => ({
      text: final === undefined ? MISSING : formatValue(final.last),
      detail: final === undefined ? "" : `${formatValue(final.least)} to ${formatValue(final.greatest)}`,
      difference: index === 0 ? "" : differenceOf(values[0], final?.last),
      best: towards !== 0 && new Set(known).size > 1 && final?.last === best,
    })),
  };
}

/** How much more or less than the first: in its own unit, and in percent. */
function differenceOf(first: number | undefined, value: number | undefined): string {
  if (first === undefined || value === undefined || !Number.isFinite(first) || !Number.isFinite(value) || first === value) {
    return "";
  }
  const difference = value - first;
  const sign = difference > 0 ? "+" : "\u2212";
  const absolute = `${sign}${formatValue(Math.abs(difference))}`;
  return first === 0 ? absolute : `${absolute} (${sign}${Math.abs((100 * difference) / first).toFixed(1)} %)`;
}
