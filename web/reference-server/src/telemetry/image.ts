/** Reads the header of an encoded image: format, width, height. The image itself is never decoded. */

/** What the header of an image says. */
export interface ImageHeader {
  format: "jpeg" | "png" | "webp";
  width: number;
  height: number;
}

/** The header of a JPEG (ITU T.81 B.2.2), PNG (ISO 15948, 11.2.2) or WebP (RFC 9649, 2.5-2.7) image; none if it is none. */
export function imageHeader(data: Uint8Array): ImageHeader | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    if (bytes.readUInt16BE(0) === 0xffd8) return jpeg(bytes);
    if (bytes.toString("latin1", 0, 8) === "\x89PNG\r\n\x1a\n" && bytes.toString("latin1", 12, 16) === "IHDR") {
      return { format: "png", width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
    }
    if (bytes.toString("latin1", 0, 4) === "RIFF" && bytes.toString("latin1", 8, 12) === "WEBP") return webp(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // cut off in the middle of the header
  }
  return undefined;
}

function jpeg(bytes: Buffer): ImageHeader | undefined {
  let at = 2;
  for (;;) {
    if (bytes.readUInt8(at) !== 0xff) return undefined;
    const marker = bytes.readUInt8(at + 1);
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { format: "jpeg", width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) };
    } else if (marker === 0xd9 || marker === 0xda) return undefined;
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
}

function webp(bytes: Buffer): ImageHeader | undefined {
  const kind = bytes.toString("latin1", 12, 16);
  if (kind === "VP8X") {
    return { format: "webp", width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
  }
  if (kind === "VP8 ") {
    return { format: "webp", width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
  }
  if (kind !== "VP8L") return undefined;
  const packed = bytes.readUInt32LE(21);
  return { format: "webp", width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
}
