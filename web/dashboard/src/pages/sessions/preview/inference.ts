/** Runs the pipeline of a session on a scene, and finds what can be drawn in its answer. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { InputBatchSchema } from "@catenary/contract/catenary/v1/inference_pb";
import type { InferenceResponse } from "@catenary/contract/catenary/v1/inference_requests_pb";
import { DType, type Tensor, type TensorSpec } from "@catenary/contract/catenary/v1/tensor_pb";
import { inference, pipelines } from "../calls";
import { FileRefused } from "./refusal";
import type { Scene } from "./scene-file";

/** An output with a value for each pixel. */
export interface PixelMap {
  /** The output, `node.port`. */
  readonly name: string;
  /** [rows * cols]. */
  readonly values: Float64Array | Float32Array;
}

/** What an inference gave. */
export interface Outcome {
  /** Outputs of real numbers. */
  readonly scores: readonly PixelMap[];
  /** Outputs of yes and no, or of classes: 0 is nothing. */
  readonly masks: readonly PixelMap[];
  /** Outputs that are plain numbers. */
  readonly numbers: readonly (readonly [name: string, value: number])[];
  /** Outputs that have no value for each pixel, by name and shape. */
  readonly others: readonly string[];
  /** From the request to the answer, in milliseconds. */
  readonly durationMs: number;
  readonly sentBytes: number;
}

type Elements = Float64Array | Float32Array | Int32Array | Uint16Array | Uint8Array;
type InputBatch = MessageInitShape<typeof InputBatchSchema>;

const TO_WIRE: Readonly<Partial<Record<DType, (values: ArrayLike<number>) => Elements>>> = {
  [DType.FLOAT32]: (values) => (values instanceof Float32Array ? values : Float32Array.from(values)),
  [DType.FLOAT64]: (values) => Float64Array.from(values),
  [DType.INT32]: (values) => Int32Array.from(values),
  [DType.UINT16]: (values) => Uint16Array.from(values),
  [DType.UINT8]: (values) => Uint8Array.from(values),
};

const FROM_WIRE: Readonly<Partial<Record<DType, (bytes: ArrayBuffer) => ArrayLike<number>>>> = {
  [DType.FLOAT32]: (bytes) => new Float32Array(bytes),
  [DType.FLOAT64]: (bytes) => new Float64Array(bytes),
  [DType.INT32]: (bytes) => new Int32Array(bytes),
  [DType.INT64]: (bytes) => Float64Array.from(new BigInt64Array(bytes), Number),
  [DType.UINT8]: (bytes) => new Uint8Array(bytes),
  [DType.UINT16]: (bytes) => new Uint16Array(bytes),
  [DType.BOOL]: (bytes) => new Uint8Array(bytes),
};

const REAL = new Set([DType.FLOAT16, DType.FLOAT32, DType.FLOAT64]);

/** Infer on a scene; the inputs are given the element types that the pipeline asks for. */
export async function infer(sessionId: string, scene: Scene, signal: AbortSignal): Promise<Outcome> {
  const { inputSpecs } = await pipelines.getPipelineInputs({ sessionId }, { signal });
  const { inputs, sentBytes } = inputsOf(scene, inputSpecs);
  const started = performance.now();
  const response = await inference.inference({ sessionId, inputs }, { signal });
  return outcomeOf(response, scene, performance.now() - started, sentBytes);
}

/** The scene as the pipeline takes it. Raises FileRefused where it takes no cube, or one of another type. */
export function inputsOf(
  scene: Scene,
  specs: Readonly<Record<string, TensorSpec>>,
): { inputs: InputBatch; sentBytes: number } {
  const { rows, cols, bands } = scene;
  const cube = specs["cube"];
  if (cube === undefined) {
    throw new FileRefused(`this pipeline takes ${Object.keys(specs).join(", ") || "nothing"}, and no cube`);
  }
  const wavelengths = specs["wavelengths"];
  const inputs: InputBatch = { cube: tensor(scene.values, [1, rows, cols, bands], cube) };
  if (wavelengths !== undefined && scene.wavelengths !== undefined) {
    inputs.wavelengths = tensor(scene.wavelengths, [1, bands], wavelengths);
  } else if (wavelengths?.required === true) {
    throw new FileRefused("this pipeline needs the wavelengths of the bands, and the file has none");
  }
  return { inputs, sentBytes: scene.values.length * sizeOf(cube) };
}

/** What can be drawn of an answer. */
export function outcomeOf(response: InferenceResponse, scene: Scene, durationMs: number, sentBytes: number): Outcome {
  const scores: PixelMap[] = [];
  const masks: PixelMap[] = [];
  const others: string[] = [];
  const names = Object.keys(response.outputs).sort();
  for (const name of names) {
    const output = response.outputs[name];
    const values = output === undefined ? undefined : valuesOf(output);
    if (output === undefined || values?.length !== scene.rows * scene.cols) {
      others.push(`${name} (${output?.shape.join(" x ") || "scalar"})`);
    } else {
      (REAL.has(output.dtype) ? scores : masks).push({ name, values });
    }
  }
  const numbers = Object.entries(response.metrics).sort(([one], [other]) => one.localeCompare(other));
  return { scores, masks, others, numbers, durationMs, sentBytes };
}

function tensor(values: ArrayLike<number>, shape: readonly number[], spec: TensorSpec) {
  const elements = TO_WIRE[spec.dtype]?.(values);
  if (elements === undefined) {
    throw new FileRefused(`the input ${spec.name} takes ${DType[spec.dtype]}, which this page cannot send`);
  }
  const value = new Uint8Array(elements.buffer as ArrayBuffer, elements.byteOffset, elements.byteLength);
  return { shape: shape.map(BigInt), dtype: spec.dtype, payload: { case: "rawData" as const, value } };
}

function sizeOf(spec: TensorSpec): number {
  return TO_WIRE[spec.dtype]?.([0]).byteLength ?? 0;
}

function valuesOf({ dtype, payload }: Tensor): Float64Array | Float32Array | undefined {
  if (payload.case !== "rawData") {
    return undefined;
  }
  const values = FROM_WIRE[dtype]?.(payload.value.slice().buffer);
  if (values === undefined) {
    return undefined;
  }
  return values instanceof Float32Array || values instanceof Float64Array ? values : Float32Array.from(values);
}
