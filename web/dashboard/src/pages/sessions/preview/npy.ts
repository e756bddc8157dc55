/** Arrays in NumPy's format `.npy`, versions 1 to 3 (numpy.lib.format). */
import { FileRefused } from "./refusal";

/** An array in row-major (C) order. */
export interface NumberArray {
  readonly shape: readonly number[];
  readonly values: Float64Array | Float32Array;
  /** Element type as NumPy writes it, such as `<f4`. */
  readonly dtype: string;
}

type Read = (view: DataView, offset: number, little: boolean) => number;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const PREFIX_BYTES = 10;
const HEADER_FIELDS = /'descr':\s*'([^']*)',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([^)]*)\)/;

/** How an element is read, its size, and whether float32 holds each of its values exactly. */
const ELEMENTS: Readonly<Record<string, { size: number; exact: boolean; read: Read }>> = {
  b1: { size: 1, exact: true, read: (view, at) => view.getUint8(at) },
  u1: { size: 1, exact: true, read: (view, at) => view.getUint8(at) },
  i1: { size: 1, exact: true, read: (view, at) => view.getInt8(at) },
  u2: { size: 2, exact: true, read: (view, at, little) => view.getUint16(at, little) },
  i2: { size: 2, exact: true, read: (view, at, little) => view.getInt16(at, little) },
  f2: { size: 2, exact: true, read: (view, at, little) => float16(view.getUint16(at, little)) },
  u4: { size: 4, exact: false, read: (view, at, little) => view.getUint32(at, little) },
  i4: { size: 4, exact: false, read: (view, at, little) => view.getInt32(at, little) },
  f4: { size: 4, exact: true, read: (view, at, little) => view.getFloat32(at, little) },
  u8: { size: 8, exact: false, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  i8: { size: 8, exact: false, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  f8: { size: 8, exact: false, read: (view, at, little) => view.getFloat64(at, little) },
};

/**
 * Read an array of numbers.
 *
 * Raises FileRefused for what is no such file, is cut short, or holds anything but numbers.
 */
export function readNpy(bytes: Uint8Array): NumberArray {
  const { dtype, fortran, shape, start } = header(bytes);
  const element = ELEMENTS[dtype.slice(1)];
  if (element === undefined) {
    throw new FileRefused(`elements of type ${dtype} are no numbers that can be shown`);
  }
  const count = shape.reduce((product, size) => product * size, 1);
  if (bytes.byteLength - start < count * element.size) {
    throw new FileRefused(`the file is cut short: ${shape.join(" x ")} elements do not fit into it`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, count * element.size);
  const little = !dtype.startsWith(">");
  const values = element.exact ? new Float32Array(count) : new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    values[index] = element.read(view, index * element.size, little);
  }
  return { dtype, shape, values: fortran ? rowMajor(values, shape) : values };
}

function header(bytes: Uint8Array): { dtype: string; fortran: boolean; shape: number[]; start: number } {
  if (bytes.byteLength < PREFIX_BYTES || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw new FileRefused("this is no NumPy file: it does not begin as `.npy` files do");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = view.getUint8(6) > 1; // the length has four bytes from version 2 on
  const first = wide ? PREFIX_BYTES + 2 : PREFIX_BYTES;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const text = new TextDecoder().decode(bytes.subarray(first, first + length));
  const fields = HEADER_FIELDS.exec(text);
  if (fields === null) {
    throw new FileRefused("the header of the file says nothing of a plain array");
  }
  const [, dtype = "", order, sizes = ""] = fields;
  const shape = sizes.split(",").filter((size) => size.trim() !== "").map(Number);
  return { dtype, fortran: order === "True", shape, start: first + length };
}

/** Elements that came with the first index fastest, with the last one fastest. */
function rowMajor<Values extends Float64Array | Float32Array>(values: Values, shape: readonly number[]): Values {
  const ordered = values.slice() as Values;
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1));
  const index = shape.map(() => 0);
  for (let target = 0; target < values.length; target += 1) {
    ordered[target] = values[index.reduce((sum, at, axis) => sum + at * (strides[axis] ?? 0), 0)] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const next = (index[axis] ?? 0) + 1;
      index[axis] = next === shape[axis] ? 0 : next;
      if (index[axis] !== 0) {
        break;
      }
    }
  }
  return ordered;
}

/** A value of IEEE 754 binary16. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) {
    return sign * fraction * 2 ** -24;
  }
  if (exponent === 0x1f) {
    return fraction === 0 ? sign * Infinity : NaN;
  }
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
