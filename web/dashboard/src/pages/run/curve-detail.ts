/** More points of the part of a chart that is looked at. */
import { useEffect, useState } from "preact/hooks";
import type { Range } from "../../parts/chart/options";
import { telemetry } from "../../rpc/telemetry";
import type { CurveView } from "../../watch/view";
import { pointsOf, refined, type Points } from "./curve-sources";

const PATIENCE_MS = 120;

/** The curves; those that stand for many samples per point in full detail over a range. */
export function useDetail(
  runId: string,
  curves: ReadonlyMap<string, CurveView>,
  names: readonly string[],
  range: Range | undefined,
  points: number,
): ReadonlyMap<string, Points> {
  const [detail, setDetail] = useState<ReadonlyMap<string, Points>>(new Map());
  const coarse = names.filter((name) => (curves.get(name)?.samplesPerPoint ?? 1) > 1);
  const wanted = range === undefined ? "" : JSON.stringify([range, coarse, points]);
  useEffect(() => {
    setDetail(new Map());
    if (range === undefined || coarse.length === 0) {
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      const request = {
        runId,
        metricNames: coarse,
        fromStep: BigInt(Math.max(0, Math.floor(range[0]))),
        toStep: BigInt(Math.max(0, Math.ceil(range[1]))),
        maxPoints: points,
      };
      telemetry.queryMetrics(request, { signal: abort.signal }).then(
        ({ series }) => setDetail(new Map(series.map((each) => [each.metricName, pointsOf(each)]))),
        () => undefined, // the curve stays as coarse as it is
      );
    }, PATIENCE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [runId, wanted]); // eslint-disable-line react-hooks/exhaustive-deps -- `wanted` is the others by value
  if (detail.size === 0) {
    return curves;
  }
  return new Map(
    [...curves].map(([name, curve]) => {
      const part = detail.get(name);
      return [name, part === undefined ? curve : refined(curve, part)];
    }),
  );
}
