import { describe, expect, test } from "vitest";
import { straighten } from "../../src/watch/pixels";

describe("the pixels of a decoded image", () => {
  const bytes = (...values: number[]): Uint8ClampedArray => Uint8ClampedArray.from(values);

  test("are red, green and blue, and opaque, whatever their order was", () => {
    const swapped = bytes(3, 2, 1, 0, 255, 128, 0, 7);
    straighten(swapped, "BGRX");
    expect([...swapped]).toEqual([1, 2, 3, 255, 0, 128, 255, 255]);
    const straight = bytes(1, 2, 3, 0, 250, 251, 252, 9);
    straighten(straight, "RGBX");
    expect([...straight]).toEqual([1, 2, 3, 255, 250, 251, 252, 255]);
  });

  test("are changed within their own bounds alone", () => {
    const memory = bytes(9, 9, 9, 9, 3, 2, 1, 0, 9, 9, 9, 9);
    straighten(memory.subarray(4, 8), "BGRX");
    expect([...memory]).toEqual([9, 9, 9, 9, 1, 2, 3, 255, 9, 9, 9, 9]);
  });
});
