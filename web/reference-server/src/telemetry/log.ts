/** One append-only file: entries with their length and CRC-32, made durable in groups. */
import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { crc32 } from "node:zlib";

const HEADER_BYTES = 8;

/** A log that can be appended to. What a crash tore is cut off when it is opened. */
export class Log {
  private waiting: Buffer[] = [];
  private appended = 0;
  private flushing: Promise<void> | undefined;
  private closed = false;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private length: number,
    private readonly onDurable: (entries: number) => void,
  ) {}

  /**
   * Open or make a log, and return what it holds.
   *
   * `onDurable` is told how many entries in all, since the opening, survive a crash.
   */
  static async open(path: string, onDurable: (entries: number) => void): Promise<{ log: Log; entries: Buffer[] }> {
    const file = await open(path, "a+", 0o600);
    const content = await readFile(file);
    const entries: Buffer[] = [];
    let at = 0;
    for (let entry = entryAt(content, at); entry !== undefined; entry = entryAt(content, at)) {
      entries.push(entry);
      at += HEADER_BYTES + entry.length;
    }
    if (at < content.length) await file.truncate(at);
    return { log: new Log(path, file, at, onDurable), entries };
  }

  /** Bytes on the disk, once what was appended is written. */
  get sizeBytes(): number {
    return this.length;
  }

  /** Append an entry; it is durable when `onDurable` says so. */
  append(payload: Uint8Array): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(payload.length, 0);
    header.writeUInt32LE(crc32(payload), 4);
    this.waiting.push(header, Buffer.from(payload));
    this.length += HEADER_BYTES + payload.length;
    this.appended += 1;
    this.flushing ??= this.flush();
  }

  /** Write what waits and release the file. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.flushing;
    await this.file.close();
  }

  /** Remove the file; returns the bytes that are free again. */
  async remove(): Promise<number> {
    await this.close();
    await rm(this.path, { force: true });
    return this.length;
  }

  private async flush(): Promise<void> {
    while (this.waiting.length > 0) {
      const { waiting, appended } = this;
      this.waiting = [];
      await this.file.appendFile(Buffer.concat(waiting));
      await this.file.datasync();
      this.onDurable(appended);
    }
    this.flushing = undefined;
  }
}

function entryAt(content: Buffer, at: number): Buffer | undefined {
  if (at + HEADER_BYTES > content.length) return undefined;
  const end = at + HEADER_BYTES + content.readUInt32LE(at);
  if (end > content.length) return undefined;
  const payload = content.subarray(at + HEADER_BYTES, end);
  return crc32(payload) === content.readUInt32LE(at + 4) ? payload : undefined;
}
