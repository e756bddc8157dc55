/** Asks again and again, while somebody looks. */
import { useCallback, useEffect, useState } from "preact/hooks";

/** What came last, and why nothing came since. */
export interface Polled<Value> {
  readonly value: Value | undefined;
  readonly error: unknown;
  /** Ask now. */
  readonly refresh: () => void;
}

/**
 * Ask at once, then each `everyMs` after the last answer; not while the page is in the background.
 *
 * @param ask must stay the same function from one rendering to the next, or it is asked anew
 */
export function usePolled<Value>(ask: (signal: AbortSignal) => Promise<Value>, everyMs: number): Polled<Value> {
  const [state, setState] = useState<{ value: Value | undefined; error: unknown }>({ value: undefined, error: undefined });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = async (): Promise<void> => {
      clearTimeout(timer);
      if (document.visibilityState === "visible") {
        try {
          const value = await ask(abort.signal);
          setState(abort.signal.aborted ? (before) => before : { value, error: undefined });
        } catch (error) {
          setState((before) => (abort.signal.aborted ? before : { ...before, error }));
        }
      }
      if (!abort.signal.aborted) {
        timer = setTimeout(() => void again(), everyMs);
      }
    };
    const shown = (): void => {
      if (document.visibilityState === "visible") {
        setRound((before) => before + 1);
      }
    };
    document.addEventListener("visibilitychange", shown);
    void again();
    return () => {
      document.removeEventListener("visibilitychange", shown);
      clearTimeout(timer);
      abort.abort();
    };
  }, [ask, everyMs, round]);
  const refresh = useCallback(() => setRound((before) => before + 1), []);
  return { ...state, refresh };
}
