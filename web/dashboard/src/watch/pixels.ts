/**
 * Decoded images as plain pixels, in memory that is used again.
 *
 * Without a GPU, whenever a worker draws a VideoFrame, Chromium asks the page's own thread for a graphics context and waits
 * for the answer, which is that there is none. Sixteen such waits for each batch take longer than the drawing, and as long
 * as the page is busy. Pixels are drawn without asking anybody.
 */

const MOST_SPARE = 64;

const spare: ImageData[] = [];

/** The pixels of a frame; undefined where it takes more to know them, as for transparent ones: the canvas knows how. */
export async function pixelsOf(frame: VideoFrame): Promise<ImageData | undefined> {
  const { format, displayWidth: width, displayHeight: height, visibleRect } = frame;
  if (!isPlain(format) || visibleRect?.width !== width || visibleRect.height !== height || isTurned(frame)) {
    return undefined;
  }
  const pixels = blank(width, height);
  await frame.copyTo(pixels.data, { layout: [{ offset: 0, stride: 4 * width }] });
  straighten(pixels.data, format);
  return pixels;
}

/** Have the memory used again. */
export function release(pixels: ImageData): void {
  if (spare.length >= MOST_SPARE) {
    spare.shift();
  }
  spare.push(pixels);
}

/** Turn pixels of a format, in place, into red, green, blue and an opacity of 255. */
export function straighten(bytes: Uint8ClampedArray, format: PlainFormat): void {
  // Four bytes at once: every processor that browsers run on has the first byte of a number lowest.
  const pixels = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let index = 0; index < pixels.length; index += 1) {
    const pixel = pixels[index] ?? 0;
    const colours = format === "BGRX" ? (pixel & 0xff00) | ((pixel >>> 16) & 0xff) | ((pixel & 0xff) << 16) : pixel;
    pixels[index] = colours | 0xff000000;
  }
}

/** Formats of four bytes for each pixel, of which the last says nothing. */
export type PlainFormat = "RGBX" | "BGRX";

function isPlain(format: string | null): format is PlainFormat {
  return format === "RGBX" || format === "BGRX";
}

/** Whether a photograph says of itself that it is to be turned or mirrored; browsers that do not tell do not turn. */
function isTurned(frame: VideoFrame & { readonly rotation?: number; readonly flip?: boolean }): boolean {
  return (frame.rotation ?? 0) !== 0 || frame.flip === true;
}

function blank(width: number, height: number): ImageData {
  const index = spare.findIndex((each) => each.width === width && each.height === height);
  return spare.splice(index, index < 0 ? 0 : 1)[0] ?? new ImageData(width, height);
}
