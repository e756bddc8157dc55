import { create } from "@bufbuild/protobuf";
import { BatchDataSchema } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import { beforeEach, describe, expect, test } from "vitest";
import type { Picture } from "../../src/watch/picture";
import { TilePlayer } from "../../src/watch/tile-player";

/** Decodes when it is told to. */
class Decoder {
  readonly #waiting: (() => void)[] = [];
  begun = 0;
  open = 0;

  readonly decode = async (): Promise<Picture> => {
    this.begun += 1;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.open += 1;
    return { source: {} as ImageBitmap, width: 1, height: 1, close: () => (this.open -= 1) };
  };

  /** Finish what was begun, and let the player hear of it. */
  async finish(): Promise<void> {
    for (const resolve of this.#waiting.splice(0)) {
      resolve();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("the player of tiles", () => {
  let decoder: Decoder;
  let player: TilePlayer;
  let done: number[];

  beforeEach(() => {
    decoder = new Decoder();
    player = new TilePlayer(decoder.decode);
    done = [];
  });

  function comes(step: number): void {
    const batch = create(BatchDataSchema, { images: [{}] });
    player.take({ batch, step, classNames: [], done: () => done.push(step) });
  }

  function drawn(): number[] {
    player.draw(0);
    return player.takeDrawn().map(({ step }) => step);
  }

  test("draws a batch with the frame after it was decoded, once, and is done with it then", async () => {
    comes(1);
    expect(drawn()).toEqual([]);
    await decoder.finish();
    expect(done).toEqual([]);
    expect(drawn()).toEqual([1]);
    expect(drawn()).toEqual([]);
    expect([done, player.view?.step, player.skipped]).toEqual([[1], 1, 0]);
  });

  test("draws both of two that come within one frame, one after the other", async () => {
    comes(1);
    await decoder.finish();
    comes(2);
    expect(drawn()).toEqual([1]);
    await decoder.finish();
    expect(drawn()).toEqual([2]);
    expect(player.skipped).toBe(0);
  });

  test("decodes nothing that is not drawn: a newer batch takes the place of one that waits", async () => {
    comes(1);
    comes(2);
    comes(3);
    expect(done).toEqual([2]);
    await decoder.finish();
    comes(4);
    expect(done).toEqual([2, 3]);
    expect(drawn()).toEqual([1]);
    await decoder.finish();
    expect(drawn()).toEqual([4]);
    expect([decoder.begun, player.skipped]).toEqual([2, 2]);
  });

  test("keeps what it shows while it is held, and goes on from the newest", async () => {
    comes(1);
    await decoder.finish();
    player.hold = true;
    comes(2);
    comes(3);
    expect(drawn()).toEqual([]);
    player.hold = false;
    expect(drawn()).toEqual([1]);
    await decoder.finish();
    expect(drawn()).toEqual([3]);
  });

  test("lets go of what is not shown any more, and of what is decoded after its end", async () => {
    comes(1);
    await decoder.finish();
    drawn();
    comes(2);
    await decoder.finish();
    drawn();
    expect(decoder.open).toBe(1);
    comes(3);
    player.close();
    await decoder.finish();
    expect(decoder.open).toBe(0);
  });
});
