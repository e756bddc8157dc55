/** The images of the newest batch: what the model said of each, and whether it was right. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { colour, paletteVersion } from "../../app/theme";
import { formatCount, formatShare } from "../../parts/format";
import { Icon } from "../../parts/icon";
import type { TileView } from "../../watch/view";
import type { RunState } from "./run-state";
import { describeTile, TileDetail } from "./tile-detail";
import { useSampled } from "./sampled";

const LABELS_EVERY_MS = 400;

export function Tiles({ state }: { state: RunState }): JSX.Element {
  const [held, setHeld] = useState(false);
  const [chosen, setChosen] = useState<number>();
  const view = useSampled(state.tiles, LABELS_EVERY_MS);
  const drawn = useSampled(state.drawn, LABELS_EVERY_MS);
  const hold = (): void => {
    state.tell({ action: "hold", hold: !held });
    setHeld(!held);
  };
  const tile = chosen === undefined ? undefined : view?.tiles[chosen];
  return (
    <section class="panel" aria-label="Images of the batch">
      <div class="panel-head">
        <h2>What it sees</h2>
        <div class="row">
          <span class="muted small numbers">
            {drawn === undefined ? "" : `step ${formatCount(drawn.step)} \u00b7 ${drawn.rate.toFixed(0)} per second`}
          </span>
          <button type="button" class="button compact" aria-pressed={held} onClick={hold} title="Keep these images; the training goes on">
            <Icon name={held ? "play" : "pause"} size={13} />
            Hold
          </button>
        </div>
      </div>
      <div class="panel-body">
        <div class="tiles" style={{ "--columns": view?.columns ?? 4, "--rows": view?.rows ?? 4 }}>
          <TileScreen state={state} />
          {view === undefined ? (
            <p class="tiles-empty muted small">No batch with images yet</p>
          ) : (
            <div class="tiles-grid" onMouseLeave={() => setChosen(undefined)}>
              {view.tiles.map((each, index) => (
                <TileButton key={index} tile={each} index={index} chosen={index === chosen} onChoose={setChosen} />
              ))}
            </div>
          )}
        </div>
        <Score tiles={view?.tiles ?? []} />
        <TileDetail tile={tile} />
      </div>
    </section>
  );
}

/** The canvas that the worker draws on. */
function TileScreen({ state }: { state: RunState }): JSX.Element {
  const element = useRef<HTMLCanvasElement>(null);
  const palette = paletteVersion.value;
  useEffect(() => {
    const canvas = element.current;
    if (canvas === null) {
      return undefined;
    }
    const offscreen = canvas.transferControlToOffscreen();
    state.tell({ action: "canvas", canvas: offscreen }, [offscreen]);
    const resize = (): void => {
      const { clientWidth: width, clientHeight: height } = canvas;
      state.tell({ action: "size", width, height, scale: Math.min(devicePixelRatio, 2) });
    };
    const observer = new ResizeObserver(resize);
    observer.observe(canvas);
    // For whoever measures: when each batch was logged, and when it was drawn.
    state.onDrawn = (drawn) => canvas.dispatchEvent(new CustomEvent("batchdrawn", { detail: drawn, bubbles: true }));
    return () => {
      observer.disconnect();
      state.onDrawn = () => undefined;
    };
  }, [state]);
  useEffect(() => {
    state.tell({
      action: "palette",
      palette: {
        surface: colour("--surface"),
        sunken: colour("--sunken"),
        text: colour("--text"),
        muted: colour("--muted"),
        good: colour("--good"),
        bad: colour("--bad"),
        onMark: colour("--surface"),
        font: getComputedStyle(document.documentElement).fontFamily,
      },
    });
  }, [state, palette]);
  return <canvas ref={element} class="tiles-canvas" aria-hidden="true" />;
}

interface TileButtonProps {
  readonly tile: TileView;
  readonly index: number;
  readonly chosen: boolean;
  readonly onChoose: (index: number | undefined) => void;
}

function TileButton({ tile, index, chosen, onChoose }: TileButtonProps): JSX.Element {
  return (
    <button
      type="button"
      class="tile"
      aria-pressed={chosen}
      aria-label={`Image ${index + 1}. ${describeTile(tile)}`}
      onFocus={() => onChoose(index)}
      onBlur={() => onChoose(undefined)}
      onMouseEnter={() => onChoose(index)}
      onClick={() => onChoose(index)}
    />
  );
}

/** How many of the tiles are right, in words. */
function Score({ tiles }: { tiles: readonly TileView[] }): JSX.Element | null {
  const judged = tiles.filter((tile) => tile.right !== undefined);
  if (judged.length === 0) {
    return null;
  }
  const right = judged.filter((tile) => tile.right === true).length;
  return (
    <p class="tiles-score small">
      <span class="tile-mark" data-right="true">
        <Icon name="check" size={12} />
        {right} right
      </span>
      <span class="tile-mark" data-right="false">
        <Icon name="cross" size={12} />
        {judged.length - right} wrong
      </span>
      <span class="muted">{formatShare(right / judged.length, 0)} of those shown</span>
    </p>
  );
}
