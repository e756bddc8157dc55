import { useEffect, useState } from "preact/hooks";
import type { Signal } from "@preact/signals";

/** The value of a signal, at most so often: what changes with every frame is not read as fast. */
export function useSampled<Value>(source: Signal<Value>, everyMs: number): Value {
  const [value, setValue] = useState(source.peek());
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = source.subscribe(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        setValue(source.peek());
      }, everyMs);
    });
    setValue(source.peek());
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [source, everyMs]);
  return value;
}
