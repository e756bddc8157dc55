/** Which part of a chart is shown. */
import { useState } from "preact/hooks";
import type { Range } from "./options";

/** Everything, or a window that stays where it is, or one that goes along with what is newest. */
export interface Zoom {
  readonly range: Range | undefined;
  readonly follows: boolean;
  readonly show: (range: Range | undefined) => void;
  readonly follow: (follows: boolean) => void;
  /** Show a part around the middle: below 1 is closer. */
  readonly scale: (factor: number) => void;
  /** Move by a share of what is shown. */
  readonly pan: (share: number) => void;
}

/** The zoom of a chart whose data reach from one x to another. */
export function useZoom(extent: Range | undefined): Zoom {
  const [marked, setMarked] = useState<Range>();
  const [follows, setFollows] = useState(true);
  const range = marked === undefined || extent === undefined ? undefined : follows ? atEnd(marked, extent) : marked;
  const shown = range ?? extent;
  const show = (next: Range | undefined): void => {
    const all = next === undefined || extent === undefined || (next[0] <= extent[0] && next[1] >= extent[1]);
    setMarked(all ? undefined : next);
    setFollows(all || next[1] >= extent[1]);
  };
  return {
    range,
    follows,
    show,
    follow: setFollows,
    scale: (factor) => {
      if (shown !== undefined && extent !== undefined) {
        show(within(scaled(shown, factor, follows), extent));
      }
    },
    pan: (share) => {
      if (shown !== undefined && extent !== undefined) {
        show(moved(shown, share * (shown[1] - shown[0]), extent));
      }
    },
  };
}

/** The same width, at the end of the data. */
export function atEnd([from, to]: Range, [least, greatest]: Range): Range {
  return [Math.max(least, greatest - (to - from)), greatest];
}

/** Closer or wider around the middle, or at the end where that is followed. */
export function scaled([from, to]: Range, factor: number, keepsEnd: boolean): Range {
  const width = (to - from) * factor;
  const end = keepsEnd ? to : (from + to) / 2 + width / 2;
  return [end - width, end];
}

/** As wide as before and inside the data. */
export function moved([from, to]: Range, distance: number, [least, greatest]: Range): Range {
  const bounded = Math.max(least - from, Math.min(distance, greatest - to));
  return [from + bounded, to + bounded];
}

function within([from, to]: Range, [least, greatest]: Range): Range {
  return [Math.max(from, least), Math.min(to, greatest)];
}
