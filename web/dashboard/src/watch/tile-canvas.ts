/**
 * Draws the tiles of a batch on one canvas: image, caption, and whether the model was right.
 *
 * Right and wrong differ by mark (tick in a disc, cross in a diamond), by frame (thin and closed, thick and dashed) and
 * by what the caption says, and only then by colour.
 */
import type { Picture, Size } from "./picture";
import type { TilePalette } from "./request";
import { Sheet, type Part } from "./sheet";
import { Marks } from "./tile-marks";
import type { TilesView, TileView } from "./view";

/** Where a tile is, in pixels of the canvas. */
interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const GAP = 6;
const CAPTION = 20;
const SHARP_FROM = 3;

export class TileCanvas {
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D | null;
  readonly #sheet = new Sheet();
  #scale = 1;
  #palette: TilePalette | undefined;
  #marks: Marks | undefined;

  constructor(canvas: OffscreenCanvas) {
    this.#canvas = canvas;
    // Opaque: the browser then copies it to the screen instead of blending it with what is behind.
    this.#context = canvas.getContext("2d", { alpha: false });
  }

  set palette(palette: TilePalette) {
    this.#palette = palette;
    this.#marks = undefined;
  }

  /** How large the canvas is shown; what was drawn is gone. */
  resize(width: number, height: number, scale: number): void {
    this.#scale = scale;
    this.#marks = undefined;
    this.#canvas.width = Math.max(1, Math.round(width * scale));
    this.#canvas.height = Math.max(1, Math.round(height * scale));
  }

  /** The room of each image in a grid, in pixels of the canvas. */
  room({ columns, rows }: { columns: number; rows: number }): Size {
    const gap = GAP * this.#scale;
    const width = this.#canvas.width / columns - gap;
    const height = this.#canvas.height / rows - gap - CAPTION * this.#scale;
    return { width: Math.max(1, width), height: Math.max(1, height) };
  }

  /** Draw all tiles; a picture that is missing leaves its place empty. */
  draw(view: TilesView, pictures: readonly (Picture | undefined)[]): void {
    const context = this.#context;
    const palette = this.#palette;
    if (context === null || palette === undefined) {
      return;
    }
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    const cellWidth = this.#canvas.width / view.columns;
    const cellHeight = this.#canvas.height / view.rows;
    const gap = GAP * this.#scale;
    const parts = this.#sheet.place(pictures);
    view.tiles.forEach((tile, index) => {
      const column = index % view.columns;
      const row = Math.floor(index / view.columns);
      // Whole pixels: edges are sharp, and not blended.
      const box = {
        x: Math.round(column * cellWidth + gap / 2),
        y: Math.round(row * cellHeight + gap / 2),
        width: Math.floor(cellWidth - gap),
        height: Math.floor(cellHeight - gap),
      };
      this.#tile(context, palette, box, tile, parts[index]);
    });
  }

  #tile(
    context: OffscreenCanvasRenderingContext2D,
    palette: TilePalette,
    box: Box,
    tile: TileView,
    picture: Part | undefined,
  ): void {
    const caption = Math.round(CAPTION * this.#scale);
    const room = { ...box, height: box.height - caption };
    context.fillStyle = palette.sunken;
    context.fillRect(room.x, room.y, room.width, room.height);
    if (picture !== undefined) {
      drawInside(context, room, picture);
    }
    this.#frame(context, palette, room, tile.right);
    this.#caption(context, palette, { ...box, y: box.y + room.height, height: caption }, tile);
  }

  #frame(context: OffscreenCanvasRenderingContext2D, palette: TilePalette, room: Box, right: boolean | undefined): void {
    if (right === undefined) {
      return;
    }
    const width = (right ? 1.5 : 3) * this.#scale;
    context.strokeStyle = right ? palette.good : palette.bad;
    context.lineWidth = width;
    context.setLineDash(right ? [] : [6 * this.#scale, 3 * this.#scale]);
    context.strokeRect(room.x + width / 2, room.y + width / 2, room.width - width, room.height - width);
    context.setLineDash([]);
  }

  #caption(context: OffscreenCanvasRenderingContext2D, palette: TilePalette, box: Box, tile: TileView): void {
    const size = 12 * this.#scale;
    const middle = box.y + box.height / 2 + this.#scale;
    let left = box.x + this.#scale;
    if (tile.right !== undefined) {
      this.#marks ??= new Marks(palette, this.#scale);
      this.#marks.draw(context, tile.right, left + size / 2, middle);
      left += size + 4 * this.#scale;
    }
    const text = captionOf(tile);
    context.font = `600 ${size}px ${palette.font}`;
    context.textBaseline = "middle";
    context.fillStyle = tile.right === false ? palette.bad : palette.text;
    const share = tile.confidence === undefined ? "" : `${Math.round(tile.confidence * 100)}%`;
    const end = box.x + box.width;
    const taken = left + context.measureText(text).width;
    context.fillText(text, left, middle, end - left);
    context.font = `400 ${size * 0.92}px ${palette.font}`;
    if (share !== "" && taken + 6 * this.#scale + context.measureText(share).width <= end) {
      context.fillStyle = palette.muted;
      context.textAlign = "right";
      context.fillText(share, end, middle);
      context.textAlign = "left";
    }
  }
}

/** Prediction, and the truth where it is another. */
function captionOf(tile: TileView): string {
  if (tile.predicted === undefined) {
    return tile.truth ?? tile.name;
  }
  return tile.right === false ? `${tile.predicted} \u2260 ${tile.truth ?? ""}` : tile.predicted;
}

/** As large as fits, in the middle; small pictures keep their pixels sharp. */
function drawInside(context: OffscreenCanvasRenderingContext2D, room: Box, picture: Part): void {
  const factor = Math.min(room.width / picture.width, room.height / picture.height);
  const width = picture.width * factor;
  const height = picture.height * factor;
  context.imageSmoothingEnabled = factor < SHARP_FROM;
  const x = room.x + (room.width - width) / 2;
  const y = room.y + (room.height - height) / 2;
  context.drawImage(picture.source, 0, picture.y, picture.width, picture.height, x, y, width, height);
}
