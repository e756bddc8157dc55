/** Images that a later batch may only name by their hash. */
import type { ImageData } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";

const KEPT = 64;

export class ImageStore {
  readonly #images = new Map<string, Uint8Array>();

  /** The encoded image: as it came, or as it came before under the same hash; empty if it is not known. */
  bytesOf(image: ImageData): Uint8Array {
    if (image.contentSha256 === undefined) {
      return image.imageBytes;
    }
    const hash = image.contentSha256.join(",");
    // A copy: what came is a view of the whole message, which must not stay for one image of it.
    const bytes = this.#images.get(hash) ?? image.imageBytes.slice();
    if (bytes.length === 0) {
      return bytes;
    }
    this.#images.delete(hash);
    this.#images.set(hash, bytes);
    for (const oldest of this.#images.keys()) {
      if (this.#images.size <= KEPT) {
        break;
      }
      this.#images.delete(oldest);
    }
    return bytes;
  }
}
