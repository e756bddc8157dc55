/** Metrics of runs, as charts and tables need them. */
import type { MetricSeries } from "@catenary/contract/catenary/telemetry/v1/metric_pb";
import { telemetry } from "../../rpc/telemetry";

/** A metric over the steps of one run. A point stands for samples between `low` and `high`. */
export interface Series {
  readonly name: string;
  readonly steps: readonly number[];
  /** When each point was logged, in milliseconds since the Unix epoch. */
  readonly times: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** What became of a metric: its last value, and the least and the greatest that it had. */
export interface Final {
  readonly last: number;
  readonly least: number;
  readonly greatest: number;
}

const POINTS = 1_000;
const COARSE_POINTS = 64;
const FINE_POINTS = 10_000;
const MOST_NAMES = 64;
const MOST_ROUNDS = 4;

/** Curves of a run, of some steps or of all. Names that the run does not have give none. */
export async function querySeries(
  runId: string,
  names: readonly string[],
  steps: readonly [from: number, to: number] | undefined,
  signal: AbortSignal,
): Promise<Series[]> {
  if (names.length === 0) {
    return [];
  }
  const range = steps === undefined ? {} : { fromStep: floor(steps[0]), toStep: ceiling(steps[1]) };
  const request = { runId, metricNames: [...names], maxPoints: POINTS, ...range };
  const { series } = await telemetry.queryMetrics(request, { signal });
  return series.map(seriesOf);
}

/** The outcome of every metric of a run, by name. */
export async function queryFinals(
  runId: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Final>> {
  const finals = new Map<string, Final>();
  for (let first = 0; first < names.length; first += MOST_NAMES) {
    const metricNames = names.slice(first, first + MOST_NAMES);
    const { series } = await telemetry.queryMetrics({ runId, metricNames, maxPoints: COARSE_POINTS }, { signal });
    for (const each of series) {
      if (each.globalSteps.length > 0) {
        const last = await lastValue(runId, each, signal);
        const { low, high } = seriesOf(each);
        finals.set(each.metricName, { last, least: reduce(low, Math.min), greatest: reduce(high, Math.max) });
      }
    }
  }
  return finals;
}

/** The last sample itself: where the last point stands for several, they are asked for. */
async function lastValue(runId: string, coarse: MetricSeries, signal: AbortSignal): Promise<number> {
  let series: MetricSeries | undefined = coarse;
  for (let round = 0; round < MOST_ROUNDS && series !== undefined && series.samplesPerPoint > 1n; round += 1) {
    const fromStep: bigint = series.globalSteps[series.globalSteps.length - 1] ?? 0n;
    const request = { runId, metricNames: [coarse.metricName], fromStep, maxPoints: FINE_POINTS };
    series = (await telemetry.queryMetrics(request, { signal })).series[0];
  }
  return series?.minimums[series.minimums.length - 1] ?? NaN;
}

function seriesOf(series: MetricSeries): Series {
  return {
    name: series.metricName,
    steps: series.globalSteps.map(Number),
    times: series.logTimesUnixMs.map(Number),
    low: [...series.minimums],
    // Where each point is one sample, its greatest value is its least, and not sent.
    high: series.maximums.length === 0 ? [...series.minimums] : [...series.maximums],
  };
}

/** The least or greatest; values that are no numbers are passed over. */
function reduce(values: readonly number[], choose: (one: number, other: number) => number): number {
  const numbers = values.filter((value) => !Number.isNaN(value));
  return numbers.length === 0 ? NaN : numbers.reduce((one, other) => choose(one, other));
}

function floor(step: number): bigint {
  return BigInt(Math.max(0, Math.floor(step)));
}

function ceiling(step: number): bigint {
  return BigInt(Math.max(0, Math.ceil(step)));
}
