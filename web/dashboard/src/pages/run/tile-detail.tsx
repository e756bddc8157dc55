/** The best guesses for one image. */
import type { JSX } from "preact";
import { formatShare } from "../../parts/format";
import { Icon } from "../../parts/icon";
import type { TileView } from "../../watch/view";

/** A tile in words. */
export function describeTile(tile: TileView): string {
  const guess = tile.predicted === undefined ? "no prediction" : `predicted ${tile.predicted}`;
  const sure = tile.confidence === undefined ? "" : ` with ${formatShare(tile.confidence, 0)}`;
  const truth = tile.truth === undefined ? "" : `, is ${tile.truth}`;
  const verdict = tile.right === undefined ? "" : tile.right ? ": right" : ": wrong";
  return `${guess}${sure}${truth}${verdict}`;
}

export function TileDetail({ tile }: { tile: TileView | undefined }): JSX.Element {
  if (tile === undefined) {
    return <p class="tile-detail muted small">Point at an image, or go through them with Tab, to see its best guesses.</p>;
  }
  return (
    <div class="tile-detail">
      <div class="row small">
        {tile.right !== undefined && (
          <span class="tile-mark" data-right={String(tile.right)}>
            <Icon name={tile.right ? "check" : "cross"} size={12} />
            {tile.right ? "Right" : "Wrong"}
          </span>
        )}
        {tile.truth !== undefined && <span>Is {tile.truth}</span>}
        {tile.name !== "" && <span class="muted">{tile.name}</span>}
      </div>
      <ol class="guesses">
        {tile.guesses.map(({ label, score }, index) => (
          <li key={index} data-true={String(label === tile.truth)}>
            <span class="guess-label">{label}</span>
            <meter min={0} max={1} value={Number.isFinite(score) ? score : 0} aria-label={`${label}: ${formatShare(score)}`} />
            <span class="numbers">{formatShare(score)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
