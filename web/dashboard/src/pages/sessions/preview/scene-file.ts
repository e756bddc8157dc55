/** A scene that somebody picked: a cube, and what the file says of it. */
import { readNpy, type NumberArray } from "./npy";
import { FileRefused } from "./refusal";
import { readZip, type ZipEntry } from "./zip";

/** A hyperspectral scene. */
export interface Scene {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly bands: number;
  /** [rows, cols, bands], row-major. */
  readonly values: Float64Array | Float32Array;
  /** Element type in the file, as NumPy writes it. */
  readonly dtype: string;
  /** Centre of each band in nanometres; undefined where the file does not say. */
  readonly wavelengths: Float64Array | undefined;
  /** Ground truth [rows, cols], not 0 where the scene is anomalous; undefined where the file has none. */
  readonly truth: Float64Array | Float32Array | undefined;
}

const CUBE_NAMES = ["cube", "data"];
const TRUTH_NAMES = ["mask", "map"];
const WAVELENGTH_NAMES = ["wavelengths"];
const SUFFIX = /\.npy$/;

/**
 * The scene in a file `.npy` or `.npz`.
 *
 * A `.npz` holds the cube as `cube` or `data`, and may hold ground truth as `mask` or `map` and `wavelengths`.
 *
 * @param limitBytes what the arrays may unfold to
 */
export async function readScene(name: string, bytes: Uint8Array, limitBytes: number): Promise<Scene> {
  if (name.toLowerCase().endsWith(".npy")) {
    return sceneOf(name, readNpy(bytes), undefined, undefined);
  }
  if (!name.toLowerCase().endsWith(".npz")) {
    throw new FileRefused(`${name} is neither .npy nor .npz; save the scene with numpy.savez(cube=...)`);
  }
  const entries = readZip(bytes);
  const cube = arrayOf(entries, CUBE_NAMES) ?? largest(entries);
  if (cube === undefined) {
    throw new FileRefused(`${name} holds no array; save the scene with numpy.savez(cube=...)`);
  }
  if (cube.size > limitBytes) {
    throw new FileRefused(`the cube unfolds to ${cube.size} bytes; ${limitBytes} is what the server takes`);
  }
  const read = async (entry: ZipEntry | undefined): Promise<NumberArray | undefined> =>
    entry === undefined || entry.size > limitBytes ? undefined : readNpy(await entry.unpack());
  return sceneOf(
    name,
    readNpy(await cube.unpack()),
    await read(arrayOf(entries, WAVELENGTH_NAMES)),
    await read(arrayOf(entries, TRUTH_NAMES)),
  );
}

function sceneOf(name: string, cube: NumberArray, bandCentres?: NumberArray, truth?: NumberArray): Scene {
  const [rows = 0, cols = 0, bands = 0, ...more] = cube.shape.slice(isBatchOfOne(cube) ? 1 : 0);
  if (rows * cols * bands === 0 || more.length > 0) {
    throw new FileRefused(`an array of shape ${cube.shape.join(" x ") || "()"} is no scene: rows x columns x bands is`);
  }
  return {
    name,
    rows,
    cols,
    bands,
    values: cube.values,
    dtype: cube.dtype,
    wavelengths: bandCentres?.values.length === bands ? Float64Array.from(bandCentres.values) : undefined,
    truth: truth?.values.length === rows * cols ? truth.values : undefined,
  };
}

function isBatchOfOne({ shape }: NumberArray): boolean {
  return shape.length === 4 && shape[0] === 1;
}

function arrayOf(entries: readonly ZipEntry[], names: readonly string[]): ZipEntry | undefined {
  return entries.find((entry) => names.includes(entry.name.replace(SUFFIX, "").toLowerCase()));
}

function largest(entries: readonly ZipEntry[]): ZipEntry | undefined {
  const arrays = entries.filter((entry) => SUFFIX.test(entry.name));
  return arrays.reduce<ZipEntry | undefined>((best, each) => (each.size > (best?.size ?? -1) ? each : best), undefined);
}
