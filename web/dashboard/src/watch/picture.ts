/** Decodes an image: by ImageDecoder, which is the faster by far, or else by createImageBitmap. */

/** A decoded image, to be drawn and then closed. */
export interface Picture {
  readonly source: CanvasImageSource;
  readonly width: number;
  readonly height: number;
  readonly close: () => void;
}

/** Resolves to undefined for what is no image. */
export async function decodePicture(bytes: Uint8Array, format: string): Promise<Picture | undefined> {
  try {
    // ImageDecoder is there in secure contexts only: over TLS, or on the machine itself.
    return "ImageDecoder" in self ? await byDecoder(bytes, format) : await byBitmap(bytes, format);
  } catch {
    return undefined;
  }
}

async function byDecoder(bytes: Uint8Array, format: string): Promise<Picture> {
  const decoder = new ImageDecoder({ data: bytes.slice(), type: `image/${format}` });
  try {
    const { image } = await decoder.decode();
    return { source: image, width: image.displayWidth, height: image.displayHeight, close: () => image.close() };
  } finally {
    decoder.close();
  }
}

async function byBitmap(bytes: Uint8Array, format: string): Promise<Picture> {
  const bitmap = await createImageBitmap(new Blob([bytes.slice()], { type: `image/${format}` }));
  return { source: bitmap, width: bitmap.width, height: bitmap.height, close: () => bitmap.close() };
}
