/** Pictures that are plain pixels, one below the other on a canvas, from which they are drawn in any size. */
import type { Picture } from "./picture";

/** A part of something that can be drawn. */
export interface Part {
  readonly source: CanvasImageSource;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class Sheet {
  // Written again with every batch, so it is to stay in memory where there is a GPU, too.
  readonly #context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

  /** Where to draw each picture from, until the next pictures are placed. */
  place(pictures: readonly (Picture | undefined)[]): (Part | undefined)[] {
    const flat = pictures.map((picture) => (picture?.source instanceof ImageData ? picture.source : undefined));
    this.#makeRoom(
      Math.max(1, ...flat.map((pixels) => pixels?.width ?? 0)),
      flat.reduce((sum, pixels) => sum + (pixels?.height ?? 0), 1),
    );
    let y = 0;
    return pictures.map((picture, index) => {
      const pixels = flat[index];
      if (picture === undefined || pixels === undefined || this.#context === null) {
        return picture === undefined || picture.source instanceof ImageData ? undefined : { ...picture, source: picture.source, y: 0 };
      }
      this.#context.putImageData(pixels, 0, y);
      const part = { source: this.#context.canvas, y, width: pixels.width, height: pixels.height };
      y += pixels.height;
      return part;
    });
  }

  #makeRoom(width: number, height: number): void {
    const canvas = this.#context?.canvas;
    if (canvas !== undefined && (canvas.width < width || canvas.height < height)) {
      canvas.width = Math.max(width, canvas.width);
      canvas.height = Math.max(height, canvas.height);
    }
  }
}
