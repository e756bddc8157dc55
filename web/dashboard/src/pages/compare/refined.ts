/** Curves in finer points where somebody looks closer. */
import type { Series } from "./series";

/** The coarse series with finer points in the place of its own, where there are any. */
export function refined(coarse: Series, fine: Series | undefined): Series {
  const first = fine?.steps[0];
  const last = fine?.steps[fine.steps.length - 1];
  if (fine === undefined || first === undefined || last === undefined) {
    return coarse;
  }
  const before = coarse.steps.findIndex((step) => step >= first);
  const after = coarse.steps.findIndex((step) => step > last);
  const splice = (own: readonly number[], better: readonly number[]): number[] => [
    ...own.slice(0, before < 0 ? own.length : before),
    ...better,
    ...(after < 0 ? [] : own.slice(after)),
  ];
  return {
    name: coarse.name,
    steps: splice(coarse.steps, fine.steps),
    times: splice(coarse.times, fine.times),
    low: splice(coarse.low, fine.low),
    high: splice(coarse.high, fine.high),
  };
}
