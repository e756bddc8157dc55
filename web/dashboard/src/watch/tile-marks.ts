/** The marks of right and wrong: a tick in a disc, a cross in a diamond. Drawn once, then copied. */
import type { TilePalette } from "./request";

const RADIUS = 6;
/** Of the diamond, which has corners instead. */
const REACH = 1.2 * RADIUS;
const SIDE = 2 * Math.ceil(REACH) + 2;

export class Marks {
  readonly #side: number;
  readonly #right: OffscreenCanvas;
  readonly #wrong: OffscreenCanvas;

  /** @param scale pixels of the screen for each of the page */
  constructor(palette: TilePalette, scale: number) {
    this.#side = Math.ceil(SIDE * scale);
    this.#right = this.#made(scale, palette.good, palette.onMark, drawTick);
    this.#wrong = this.#made(scale, palette.bad, palette.onMark, drawCross);
  }

  /** Draw the mark with its middle at a point. */
  draw(context: OffscreenCanvasRenderingContext2D, right: boolean, x: number, y: number): void {
    const mark = right ? this.#right : this.#wrong;
    context.drawImage(mark, Math.round(x - this.#side / 2), Math.round(y - this.#side / 2));
  }

  #made(scale: number, ground: string, line: string, draw: (context: OffscreenCanvasRenderingContext2D) => void): OffscreenCanvas {
    const canvas = new OffscreenCanvas(this.#side, this.#side);
    const context = canvas.getContext("2d");
    if (context !== null) {
      context.translate(this.#side / 2, this.#side / 2);
      context.scale(scale, scale);
      context.fillStyle = ground;
      context.strokeStyle = line;
      context.lineWidth = 1.6;
      context.lineCap = "round";
      context.beginPath();
      draw(context);
      context.stroke();
    }
    return canvas;
  }
}

function drawTick(context: OffscreenCanvasRenderingContext2D): void {
  context.arc(0, 0, RADIUS, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.moveTo(-2.6, 0.2);
  context.lineTo(-0.8, 2.1);
  context.lineTo(2.8, -2);
}

function drawCross(context: OffscreenCanvasRenderingContext2D): void {
  context.moveTo(0, -REACH);
  context.lineTo(REACH, 0);
  context.lineTo(0, REACH);
  context.lineTo(-REACH, 0);
  context.fill();
  context.beginPath();
  context.moveTo(-1.9, -1.9);
  context.lineTo(1.9, 1.9);
  context.moveTo(1.9, -1.9);
  context.lineTo(-1.9, 1.9);
}
