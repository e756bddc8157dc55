/**
 * Shows the newest batch that came: decodes one at a time, draws with the screen, and says when a batch is done with.
 *
 * A batch that comes while another is decoded, or waits for the screen, waits too; a newer one takes its place. So what
 * is shown is never older than that, however slow the machine, nothing is decoded that is not drawn, and of two batches
 * that come within one frame of the screen none is lost: the second is drawn with the next frame.
 */
import type { BatchData } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import { ImageStore } from "./image-store";
import { decodePicture, type Picture, type Size } from "./picture";
import type { TilePalette } from "./request";
import { gridOf, tilesOf } from "./tile";
import { TileCanvas } from "./tile-canvas";
import type { DrawnView, TilesView } from "./view";

/** A batch on its way to the screen. */
export interface Arrival {
  readonly batch: BatchData;
  readonly step: number;
  readonly classNames: readonly string[];
  /** Called once the batch was drawn, or never will be. */
  readonly done: () => void;
}

interface Ready {
  readonly arrival: Arrival;
  readonly view: TilesView;
  readonly pictures: readonly (Picture | undefined)[];
}

const RATE_WINDOW_MS = 2_000;

type Decode = (bytes: Uint8Array, format: string, size: Size, room: Size | undefined) => Promise<Picture | undefined>;

export class TilePlayer {
  readonly #images = new ImageStore();
  readonly #decodePicture: Decode;
  readonly #times: number[] = [];
  readonly #drawn: DrawnView[] = [];
  #canvas: TileCanvas | undefined;
  #palette: TilePalette | undefined;
  #size: [width: number, height: number, scale: number] | undefined;
  #next: Arrival | undefined;
  #decoding = false;
  #ready: Ready | undefined;
  #shown: Ready | undefined;
  #count = 0;
  #skipped = 0;
  #closed = false;
  hold = false;

  constructor(decode: Decode = decodePicture) {
    this.#decodePicture = decode;
  }

  /** Batches whose images were not shown because a newer one was there. */
  get skipped(): number {
    return this.#skipped;
  }

  /** A batch with images came. */
  take(arrival: Arrival): void {
    if (this.#next !== undefined) {
      this.#skip(this.#next);
    }
    this.#next = arrival;
    void this.#decode();
  }

  useCanvas(canvas: OffscreenCanvas): void {
    this.#canvas = new TileCanvas(canvas);
    this.#prepare();
  }

  usePalette(palette: TilePalette): void {
    this.#palette = palette;
    this.#prepare();
  }

  resize(width: number, height: number, scale: number): void {
    this.#size = [width, height, scale];
    this.#prepare();
  }

  /** The tiles that are on the canvas; undefined before the first. */
  get view(): TilesView | undefined {
    return this.#shown?.view;
  }

  /** What was drawn since this was last asked, in order. */
  takeDrawn(): DrawnView[] {
    return this.#drawn.splice(0);
  }

  /** To be called with each frame of the screen: draws what is new. */
  draw(now: number): void {
    const ready = this.#ready;
    if (ready === undefined || this.hold) {
      return;
    }
    this.#ready = undefined;
    this.#close(this.#shown);
    this.#shown = ready;
    this.#canvas?.draw(ready.view, ready.pictures);
    this.#count += 1;
    this.#drawn.push(this.#describe(ready, now));
    ready.arrival.done();
    void this.#decode();
  }

  /** Let go of everything. */
  close(): void {
    this.#closed = true;
    this.#close(this.#shown);
    this.#close(this.#ready);
    this.#shown = this.#ready = this.#next = undefined;
  }

  #describe({ arrival, view }: Ready, now: number): DrawnView {
    this.#times.push(now);
    while ((this.#times[0] ?? now) < now - RATE_WINDOW_MS) {
      this.#times.shift();
    }
    const span = now - (this.#times[0] ?? now);
    return {
      step: view.step,
      loggedAt: Number(arrival.batch.timestampMs),
      drawnAt: performance.timeOrigin + performance.now(),
      rate: span > 0 ? ((this.#times.length - 1) * 1000) / span : 0,
      count: this.#count,
    };
  }

  async #decode(): Promise<void> {
    const arrival = this.#next;
    if (arrival === undefined || this.#decoding || this.#ready !== undefined) {
      return;
    }
    this.#decoding = true;
    this.#next = undefined;
    const { batch, classNames, step } = arrival;
    const room = this.#size && this.#canvas?.room(gridOf(batch.images.length));
    const pictures = await Promise.all(
      batch.images.map((image) =>
        this.#decodePicture(this.#images.bytesOf(image), image.format || "jpeg", image, room),
      ),
    );
    this.#decoding = false;
    const tiles = tilesOf(batch, classNames);
    const ready = { arrival, pictures, view: { ...gridOf(tiles.length), tiles, step } };
    if (this.#closed) {
      this.#close(ready);
    } else {
      this.#ready = ready;
    }
  }

  #skip(arrival: Arrival): void {
    this.#skipped += 1;
    arrival.done();
  }

  #prepare(): void {
    if (this.#canvas !== undefined) {
      if (this.#palette !== undefined) {
        this.#canvas.palette = this.#palette;
      }
      if (this.#size !== undefined) {
        this.#canvas.resize(...this.#size);
      }
      this.#redraw();
    }
  }

  /** A canvas of another size is empty, and one of other colours is out of date. */
  #redraw(): void {
    if (this.#shown !== undefined) {
      this.#canvas?.draw(this.#shown.view, this.#shown.pictures);
    }
  }

  #close(ready: Ready | undefined): void {
    for (const picture of ready?.pictures ?? []) {
      picture?.close();
    }
  }
}
