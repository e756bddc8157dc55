/** Watches the latest training of a session. */
import { useEffect, useState } from "preact/hooks";
import { CallFailed } from "../../../rpc/fault";
import { trainings } from "../calls";
import { ProgressLog, type Progress } from "./progress";

/** What is known of the latest training. */
export interface Watched {
  /** Undefined before the first event. */
  readonly progress: Progress | undefined;
  /** Whether the session has had no training. */
  readonly none: boolean;
  readonly error: unknown;
}

const LINK_LOST = "LINK_LOST";

/**
 * Watch the run that trains now, or else the latest; a lost connection goes on after the last event that came.
 *
 * @param runId the run that trains now; empty when none does. A run that ended stays on the page until the next begins.
 */
export function useProgress(sessionId: string, runId: string): Watched {
  const [watched, setWatched] = useState<Watched>({ progress: undefined, none: false, error: undefined });
  const [run, setRun] = useState(runId);
  if (runId !== "" && runId !== run) {
    setRun(runId);
  }
  useEffect(() => {
    const abort = new AbortController();
    const log = new ProgressLog();
    let frame = 0;
    const show = (): void => {
      frame = 0;
      setWatched({ progress: log.view(), none: false, error: undefined });
    };
    const changed = (): void => {
      frame ||= requestAnimationFrame(show);
    };
    follow(sessionId, run, log, changed, abort.signal).then(changed, (error: unknown) => {
      if (!abort.signal.aborted) {
        const none = error instanceof CallFailed && error.fault.reason === "STATE_INVALID";
        setWatched({ progress: log.view(), none, error: none ? undefined : error });
      }
    });
    return () => {
      abort.abort();
      cancelAnimationFrame(frame);
    };
  }, [sessionId, run]);
  return watched;
}

async function follow(sessionId: string, runId: string, log: ProgressLog, changed: () => void, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      for await (const message of trainings.watchTraining({ sessionId, runId, afterSequence: log.sequence }, { signal })) {
        log.take(message);
        changed();
      }
      return;
    } catch (error) {
      if (!(error instanceof CallFailed) || error.fault.code !== LINK_LOST || signal.aborted) {
        throw error;
      }
    }
  }
}
