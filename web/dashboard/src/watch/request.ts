/** What a page asks of the watch of a run. */

/** Colours and marks of the tiles, as the theme has them. */
export interface TilePalette {
  readonly surface: string;
  readonly sunken: string;
  readonly text: string;
  readonly muted: string;
  readonly good: string;
  readonly bad: string;
  readonly onMark: string;
  readonly font: string;
}

export type WatchRequest =
  | { readonly action: "start"; readonly runId: string }
  /** The canvas to draw tiles on; handed over. */
  | { readonly action: "canvas"; readonly canvas: OffscreenCanvas }
  /** How large the canvas is shown, in CSS pixels, and how many pixels of the screen each of them is. */
  | { readonly action: "size"; readonly width: number; readonly height: number; readonly scale: number }
  | { readonly action: "palette"; readonly palette: TilePalette }
  /** Keep the images that are shown now; everything else goes on. */
  | { readonly action: "hold"; readonly hold: boolean }
  /** Which curves to send, in how many points each. */
  | { readonly action: "curves"; readonly names: readonly string[]; readonly points: number };
