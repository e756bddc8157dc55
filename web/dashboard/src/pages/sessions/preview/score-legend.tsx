/** Which colour means which score. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { formatValue } from "../../../parts/format";
import { SCORE_COLOURS } from "./colour-map";
import type { ScoreScale } from "./score-scale";

export function ScoreLegend({ scale }: { scale: ScoreScale }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const pixels = new Uint8ClampedArray(SCORE_COLOURS.flatMap((colour) => [...colour, 255]));
    canvas.current?.getContext("2d")?.putImageData(new ImageData(pixels, SCORE_COLOURS.length, 1), 0, 0);
  }, []);
  const [first, last] = [scale.ticks[0], scale.ticks[scale.ticks.length - 1]];
  return (
    <div class="score-legend" role="img" aria-label={`Colours from ${formatValue(first)}, dark, to ${formatValue(last)}, light`}>
      <canvas ref={canvas} width={SCORE_COLOURS.length} height={1} />
      <div class="score-ticks numbers" aria-hidden="true">
        {scale.ticks.map((tick, index) => (
          <span key={index}>{formatValue(tick)}</span>
        ))}
      </div>
    </div>
  );
}
