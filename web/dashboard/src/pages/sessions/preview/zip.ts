/** Files in a zip archive (PKWARE APPNOTE 6.3), as far as NumPy writes them: stored or deflated, below 4 GiB. */
import { FileRefused } from "./refusal";

/** A file in the archive. */
export interface ZipEntry {
  readonly name: string;
  /** Its size when unpacked, in bytes, as the archive says. */
  readonly size: number;
  /** Unpacks it; raises FileRefused when it is damaged or larger than it says. */
  readonly unpack: () => Promise<Uint8Array>;
}

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const LONGEST_COMMENT = 0xffff;
const BEYOND_32_BITS = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;

/** The files of an archive. Raises FileRefused for what is none. */
export function readZip(bytes: Uint8Array): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  const entries: ZipEntry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let index = 0; index < count; index += 1) {
    if (at + ENTRY_BYTES > bytes.byteLength || view.getUint32(at, true) !== ENTRY) {
      throw new FileRefused("the archive is damaged: its list of files ends early");
    }
    const names = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + names));
    entries.push(entryAt(bytes, view, at, name));
    at += ENTRY_BYTES + names + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

function findEnd(view: DataView): number {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - LONGEST_COMMENT); at -= 1) {
    if (view.getUint32(at, true) === END) {
      return at;
    }
  }
  throw new FileRefused("this is no archive: `.npz` files are zip archives");
}

function entryAt(bytes: Uint8Array, view: DataView, at: number, name: string): ZipEntry {
  const method = view.getUint16(at + 10, true);
  const packed = view.getUint32(at + 20, true);
  const size = view.getUint32(at + 24, true);
  const local = view.getUint32(at + 42, true);
  const unpack = async (): Promise<Uint8Array> => {
    if (packed === BEYOND_32_BITS || size === BEYOND_32_BITS) {
      throw new FileRefused(`${name} is larger than 4 GiB`);
    }
    if (local + LOCAL_BYTES > bytes.byteLength || view.getUint32(local, true) !== LOCAL) {
      throw new FileRefused(`the archive is damaged at ${name}`);
    }
    const start = local + LOCAL_BYTES + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const content = bytes.subarray(start, start + packed);
    if (method === STORED) {
      return content;
    }
    if (method !== DEFLATED) {
      throw new FileRefused(`${name} is packed in a way that browsers do not know (method ${method})`);
    }
    return await inflate(content, size, name);
  };
  return { name, size, unpack };
}

/** Unpacks exactly `size` bytes, so that an archive cannot unfold into more than it admits. */
async function inflate(packed: Uint8Array, size: number, name: string): Promise<Uint8Array> {
  const unpacked = new Uint8Array(size);
  const source = new Blob([packed as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  let length = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (length + part.value.byteLength > size) {
        throw new FileRefused(`${name} is larger than the archive says`);
      }
      unpacked.set(part.value, length);
      length += part.value.byteLength;
    }
  } catch (error) {
    throw error instanceof FileRefused ? error : new FileRefused(`the archive is damaged at ${name}`);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
  if (length !== size) {
    throw new FileRefused(`${name} is shorter than the archive says`);
  }
  return unpacked;
}
