/** Sees to it that no field of a message reaches beyond its end, which the library's reader lets pass for unknown fields. */
import { Code, ConnectError } from "@connectrpc/connect";

const PREFIX_BYTES = 5;

/** The body of a gRPC request as it came; throws when a message of it has a field that does not fit. */
export async function* fitting(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    held = held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([held, chunk]);
    while (held.length >= PREFIX_BYTES && held.length >= PREFIX_BYTES + held.readUInt32BE(1)) {
      const end = PREFIX_BYTES + held.readUInt32BE(1);
      const compressed = held[0] !== 0;
      if (!compressed && !fits(held.subarray(PREFIX_BYTES, end))) {
        throw new ConnectError("a field of the message reaches beyond its end", Code.InvalidArgument);
      }
      held = held.subarray(end);
    }
    yield chunk;
  }
}

/** Whether the top-level fields of a message end where the message ends. Groups, which proto3 has not, are left to the reader. */
function fits(message: Buffer): boolean {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; at < message.length && shift < 70; shift += 7) {
      const byte = message[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    at = Infinity;
    return 0;
  };
  while (at < message.length) {
    const wireType = varint() & 7;
    if (wireType === 0) varint();
    else if (wireType === 1) at += 8;
    else if (wireType === 2) {
      const length = varint();
      at += length;
    }
    else if (wireType === 5) at += 4;
    else return true;
  }
  return at === message.length;
}
