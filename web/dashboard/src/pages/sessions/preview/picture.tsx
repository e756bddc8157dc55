/** A picture with a value for each pixel, and a cross that all pictures of a scene share. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";

/** A pixel. */
export interface Place {
  readonly row: number;
  readonly col: number;
}

interface PictureProps {
  readonly title: string;
  /** What the picture shows, for who does not see it. */
  readonly description: string;
  readonly rows: number;
  readonly cols: number;
  /** [rows * cols * 4] RGBA. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly place: Place | undefined;
  readonly onPlace: (place: Place | undefined) => void;
  /** The value at a pixel, in words. */
  readonly valueAt: (place: Place) => string;
  readonly children?: ComponentChildren;
}

const STEPS: Readonly<Record<string, readonly [rows: number, cols: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};
const LONG_STEP = 10;

export function Picture(props: PictureProps): JSX.Element {
  const { title, description, rows, cols, pixels, place, onPlace, valueAt, children } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    canvas.current?.getContext("2d")?.putImageData(new ImageData(pixels, cols, rows), 0, 0);
  }, [pixels, rows, cols]);
  const point = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = (share: number, size: number): number => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    onPlace({ row: at((event.clientY - box.top) / box.height, rows), col: at((event.clientX - box.left) / box.width, cols) });
  };
  const step = (event: KeyboardEvent): void => {
    const [down, right] = STEPS[event.key] ?? [0, 0];
    if (down === 0 && right === 0) {
      return;
    }
    event.preventDefault();
    const far = event.shiftKey ? LONG_STEP : 1;
    const from = place ?? { row: Math.floor(rows / 2), col: Math.floor(cols / 2) };
    const clamp = (value: number, size: number): number => Math.min(size - 1, Math.max(0, value));
    onPlace({ row: clamp(from.row + down * far, rows), col: clamp(from.col + right * far, cols) });
  };
  return (
    <figure class="picture">
      <figcaption>{title}</figcaption>
      <div
        class="picture-frame"
        tabIndex={0}
        role="application"
        aria-roledescription="picture"
        aria-label={`${title}: ${description}. Arrow keys read single pixels`}
        onPointerMove={point}
        onPointerDown={point}
        onPointerLeave={() => onPlace(undefined)}
        onKeyDown={step}
      >
        <canvas ref={canvas} width={cols} height={rows} />
        {place !== undefined && <Cross rows={rows} cols={cols} place={place} />}
      </div>
      <output class="picture-value numbers">
        {place === undefined ? `${rows} \u00d7 ${cols} pixels` : `row ${place.row}, column ${place.col}: ${valueAt(place)}`}
      </output>
      {children}
    </figure>
  );
}

function Cross({ rows, cols, place }: { rows: number; cols: number; place: Place }): JSX.Element {
  const [x, y] = [place.col + 0.5, place.row + 0.5];
  return (
    <svg class="picture-cross" viewBox={`0 0 ${cols} ${rows}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={`M0 ${y}H${x - 2}M${x + 2} ${y}H${cols}M${x} 0V${y - 2}M${x} ${y + 2}V${rows}`} />
    </svg>
  );
}
