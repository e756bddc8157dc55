import { create } from "@bufbuild/protobuf";
import { InferenceResponseSchema } from "@catenary/contract/catenary/v1/inference_requests_pb";
import { DType, TensorSpecSchema } from "@catenary/contract/catenary/v1/tensor_pb";
import { describe, expect, test } from "vitest";
import { inputsOf, outcomeOf } from "../../../../src/pages/sessions/preview/inference";
import { bytesOf } from "./arrays";

const SCENE = {
  name: "a",
  rows: 1,
  cols: 2,
  bands: 3,
  values: Float32Array.of(1, 2, 3, 4, 5, 6),
  dtype: "<u2",
  wavelengths: Float64Array.of(400, 500, 600),
  truth: undefined,
};

const spec = (name: string, dtype: DType, required = true) => create(TensorSpecSchema, { name, dtype, required });

describe("a scene as a request", () => {
  test("has a batch of one, in the element types that the ports take", () => {
    const specs = { cube: spec("cube", DType.UINT16), wavelengths: spec("wavelengths", DType.FLOAT32, false) };
    const { inputs, sentBytes } = inputsOf(SCENE, specs);
    expect(inputs.cube?.shape).toEqual([1n, 1n, 2n, 3n]);
    expect(inputs.cube?.payload?.value).toEqual(bytesOf(Uint16Array.of(1, 2, 3, 4, 5, 6)));
    expect(inputs.wavelengths?.shape).toEqual([1n, 3n]);
    expect(sentBytes).toBe(12);
  });

  test("is refused by a pipeline that takes no cube, another type, or wavelengths that are not there", () => {
    expect(() => inputsOf(SCENE, { image: spec("image", DType.FLOAT32) })).toThrow("takes image, and no cube");
    expect(() => inputsOf(SCENE, { cube: spec("cube", DType.BOOL) })).toThrow("cannot send");
    const needy = { cube: spec("cube", DType.FLOAT32), wavelengths: spec("wavelengths", DType.FLOAT32) };
    expect(() => inputsOf({ ...SCENE, wavelengths: undefined }, needy)).toThrow("needs the wavelengths");
  });
});

test("an answer is sorted into score maps, masks, numbers and the rest", () => {
  const tensor = (dtype: DType, shape: bigint[], elements: ArrayBufferView) => ({
    shape,
    dtype,
    payload: { case: "rawData" as const, value: bytesOf(elements) },
  });
  const response = create(InferenceResponseSchema, {
    outputs: {
      "rx.scores": tensor(DType.FLOAT32, [1n, 1n, 2n, 1n], Float32Array.of(0.5, 2)),
      "decider.decisions": tensor(DType.BOOL, [1n, 1n, 2n, 1n], Uint8Array.of(0, 1)),
      "selector.weights": tensor(DType.FLOAT32, [3n], Float32Array.of(1, 2, 3)),
    },
    metrics: { iou: 0.5 },
  });
  const outcome = outcomeOf(response, SCENE, 12, 34);
  expect(outcome.scores.map(({ name, values }) => [name, ...values])).toEqual([["rx.scores", 0.5, 2]]);
  expect(outcome.masks.map(({ name, values }) => [name, ...values])).toEqual([["decider.decisions", 0, 1]]);
  expect(outcome.others).toEqual(["selector.weights (3)"]);
  expect(outcome.numbers).toEqual([["iou", 0.5]]);
});
