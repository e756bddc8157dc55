/** Decodes an image: by ImageDecoder, which is the faster by far, or else by createImageBitmap. */
import { pixelsOf, release } from "./pixels";

/** A decoded image, to be drawn and then closed. */
export interface Picture {
  readonly source: ImageData | ImageBitmap | VideoFrame;
  readonly width: number;
  readonly height: number;
  readonly close: () => void;
}

/** Pixels of an image, or of the place that it is shown in. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A decoder gives a size near the one it is asked for; with this much to spare, it is not below the room. */
const SPARE = 1.2;

/**
 * Resolves to undefined for what is no image.
 *
 * `size` is what the image says of itself, 0 where it does not; `room` is where it is shown. An image that is larger
 * than its room is decoded smaller where the decoder can, as drawing it smaller later costs far more.
 */
export async function decodePicture(
  bytes: Uint8Array,
  format: string,
  size: Size,
  room: Size | undefined,
): Promise<Picture | undefined> {
  try {
    // ImageDecoder is there in secure contexts only: over TLS, or on the machine itself.
    return "ImageDecoder" in self
      ? await byDecoder(bytes, format, room && reduced(size, room))
      : await byBitmap(bytes, format);
  } catch {
    return undefined;
  }
}

/** The size to decode an image to, of its own shape; undefined for its own. */
export function reduced(size: Size, room: Size): Size | undefined {
  const factor = SPARE * Math.min(room.width / size.width, room.height / size.height);
  if (!(factor < 1)) {
    return undefined; // it fits, or does not say how large it is
  }
  return { width: Math.max(1, Math.ceil(size.width * factor)), height: Math.max(1, Math.ceil(size.height * factor)) };
}

async function byDecoder(bytes: Uint8Array, format: string, wanted: Size | undefined): Promise<Picture> {
  const desired = wanted && { desiredWidth: wanted.width, desiredHeight: wanted.height };
  const decoder = new ImageDecoder({ data: bytes, type: `image/${format}`, preferAnimation: false, ...desired });
  try {
    const { image } = await decoder.decode();
    const pixels = await pixelsOf(image);
    if (pixels === undefined) {
      return { source: image, width: image.displayWidth, height: image.displayHeight, close: () => image.close() };
    }
    image.close();
    return { source: pixels, width: pixels.width, height: pixels.height, close: () => release(pixels) };
  } finally {
    decoder.close();
  }
}

async function byBitmap(bytes: Uint8Array, format: string): Promise<Picture> {
  const bitmap = await createImageBitmap(new Blob([bytes.slice()], { type: `image/${format}` }));
  return { source: bitmap, width: bitmap.width, height: bitmap.height, close: () => bitmap.close() };
}
