/** The outcome of every metric of some runs, kept up to date while they go on. */
import { useEffect, useState } from "preact/hooks";
import { isFinal, type RunView } from "../../model/run";
import { queryFinals, type Final } from "./series";

const EVERY_MS = 3_000;

/** Outcomes by run and metric, as far as they are known. */
export type Finals = ReadonlyMap<string, ReadonlyMap<string, Final>>;

export function useFinals(runs: readonly RunView[]): { finals: Finals; error: unknown } {
  const [finals, setFinals] = useState<Finals>(new Map());
  const [error, setError] = useState<unknown>();
  const wanted = JSON.stringify(runs.map(({ id, metricNames, status }) => [id, metricNames, isFinal(status)]));
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const asked = JSON.parse(wanted) as [id: string, names: string[], ended: boolean][];
    const ask = async (some: typeof asked): Promise<void> => {
      try {
        const found = await Promise.all(some.map(async ([id, names]) => [id, await queryFinals(id, names, abort.signal)] as const));
        setFinals((before) => new Map([...before, ...found]));
        setError(undefined);
      } catch (failure) {
        setError(abort.signal.aborted ? undefined : failure);
      }
      const live = asked.filter(([, , ended]) => !ended);
      if (live.length > 0 && !abort.signal.aborted) {
        timer = setTimeout(() => void ask(live), EVERY_MS);
      }
    };
    void ask(asked);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [wanted]);
  return { finals, error };
}
