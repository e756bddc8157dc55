/** A metric over the steps of a run, in bounded memory: neighbours are merged to their least and greatest value. */
import type { MetricSeries } from "@catenary/contract/catenary/telemetry/v1/metric_pb";
import type { CurveView } from "./view";

const MOST_POINTS = 8_192;

export class Curve {
  readonly name: string;
  #steps: number[] = [];
  #times: number[] = [];
  #lows: number[] = [];
  #highs: number[] = [];
  #samplesPerPoint = 1;
  /** Samples that the last point stands for. */
  #inLast = 0;
  #lastStep = -1;
  /** Log positions up to which what comes may be in the history already. */
  #historyEnd = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** The step of the newest sample, -1 before the first. */
  get lastStep(): number {
    return this.#lastStep;
  }

  get length(): number {
    return this.#steps.length;
  }

  /** Begin from what the server has; `end` is the position of the log that it reaches at most. */
  reset(series: MetricSeries, end: number): void {
    const count = series.globalSteps.length;
    this.#steps = series.globalSteps.map(Number);
    this.#times = series.logTimesUnixMs.map(Number);
    this.#lows = [...series.minimums];
    this.#highs = series.maximums.length === count ? [...series.maximums] : [...series.minimums];
    this.#samplesPerPoint = Math.max(1, Number(series.samplesPerPoint));
    this.#inLast = Math.max(0, Number(series.sampleCount) - (count - 1) * this.#samplesPerPoint);
    this.#lastStep = this.#steps[count - 1] ?? -1;
    this.#historyEnd = end;
  }

  /** Take a sample in; returns false for one that the history has already. */
  append(step: number, time: number, value: number, sequence: number): boolean {
    if (sequence <= this.#historyEnd && step <= this.#lastStep) {
      return false;
    }
    const last = this.#steps.length - 1;
    if (last >= 0 && this.#inLast < this.#samplesPerPoint) {
      this.#lows[last] = least(this.#lows[last] ?? NaN, value);
      this.#highs[last] = greatest(this.#highs[last] ?? NaN, value);
      this.#inLast += 1;
    } else {
      this.#push(step, time, value, value);
      this.#inLast = 1;
    }
    this.#lastStep = step;
    if (this.#steps.length > MOST_POINTS) {
      this.#halve();
    }
    return true;
  }

  /** The curve in at most so many points; the arrays belong to whoever gets them. */
  view(points: number): CurveView {
    const group = Math.max(1, Math.ceil(this.#steps.length / Math.max(1, points)));
    const count = Math.ceil(this.#steps.length / group);
    const view = {
      name: this.name,
      steps: new Float64Array(count),
      times: new Float64Array(count),
      lows: new Float64Array(count),
      highs: new Float64Array(count),
      samplesPerPoint: this.#samplesPerPoint * group,
    };
    for (let point = 0; point < count; point += 1) {
      const first = point * group;
      const [low, high] = this.#rangeOf(first, Math.min(first + group, this.#steps.length));
      view.steps[point] = this.#steps[first] ?? 0;
      view.times[point] = this.#times[first] ?? 0;
      view.lows[point] = low;
      view.highs[point] = high;
    }
    return view;
  }

  #rangeOf(from: number, to: number): [low: number, high: number] {
    let low = NaN;
    let high = NaN;
    for (let index = from; index < to; index += 1) {
      low = least(low, this.#lows[index] ?? NaN);
      high = greatest(high, this.#highs[index] ?? NaN);
    }
    return [low, high];
  }

  #push(step: number, time: number, low: number, high: number): void {
    this.#steps.push(step);
    this.#times.push(time);
    this.#lows.push(low);
    this.#highs.push(high);
  }

  /** Merge each two points to one. */
  #halve(): void {
    const odd = this.#steps.length % 2 === 1;
    const whole = this.view(Math.ceil(this.#steps.length / 2));
    this.#inLast = odd ? this.#inLast : this.#samplesPerPoint + this.#inLast;
    this.#steps = [...whole.steps];
    this.#times = [...whole.times];
    this.#lows = [...whole.lows];
    this.#highs = [...whole.highs];
    this.#samplesPerPoint *= 2;
  }
}

/** The lesser of two, of which NaN is none. */
function least(one: number, other: number): number {
  return Number.isNaN(one) ? other : Number.isNaN(other) ? one : Math.min(one, other);
}

/** The greater of two, of which NaN is none. */
function greatest(one: number, other: number): number {
  return Number.isNaN(one) ? other : Number.isNaN(other) ? one : Math.max(one, other);
}
