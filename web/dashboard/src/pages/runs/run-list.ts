/** The runs of the server, asked for again and again while somebody looks. */
import { useEffect, useRef, useState } from "preact/hooks";
import { runView, type RunView } from "../../model/run";
import { connection } from "../../rpc/port";
import { telemetry } from "../../rpc/telemetry";

const INTERVAL_MS = 1_500;
const PAGE_SIZE = 500;

/** What is known of the list. */
export interface RunList {
  /** Undefined until the first answer. */
  readonly runs: readonly RunView[] | undefined;
  readonly error: unknown;
  /** Ask now. */
  readonly refresh: () => void;
}

/** All runs, newest first. */
export async function listRuns(signal: AbortSignal): Promise<RunView[]> {
  const runs: RunView[] = [];
  let pageToken = "";
  do {
    const page = await telemetry.listRuns({ pageSize: PAGE_SIZE, pageToken }, { signal });
    runs.push(...page.runs.map(runView));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return runs;
}

/** The list, kept up to date. */
export function useRunList(): RunList {
  const [runs, setRuns] = useState<readonly RunView[]>();
  const [error, setError] = useState<unknown>();
  const refresh = useRef<() => void>(() => undefined);
  const connected = connection.value.phase === "live";
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      clearTimeout(timer);
      if (document.visibilityState === "visible" && connection.peek().phase !== "refused") {
        try {
          setRuns(await listRuns(abort.signal));
          setError(undefined);
        } catch (failure) {
          setError(failure);
        }
      }
      if (!abort.signal.aborted) {
        clearTimeout(timer);
        timer = setTimeout(() => void ask(), INTERVAL_MS);
      }
    };
    refresh.current = () => void ask();
    document.addEventListener("visibilitychange", refresh.current);
    const asked = refresh.current;
    asked();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", asked);
    };
  }, [connected]);
  return { runs, error, refresh: () => refresh.current() };
}
