import { describe, expect, test } from "vitest";
import { reduced } from "../../src/watch/picture";

describe("the size that an image is decoded to", () => {
  test("is a little above its room, in its own shape", () => {
    expect(reduced({ width: 256, height: 256 }, { width: 100, height: 200 })).toEqual({ width: 120, height: 120 });
    expect(reduced({ width: 400, height: 200 }, { width: 100, height: 100 })).toEqual({ width: 120, height: 60 });
  });

  test("is its own where it fits", () => {
    expect(reduced({ width: 8, height: 8 }, { width: 100, height: 100 })).toBeUndefined();
    expect(reduced({ width: 110, height: 110 }, { width: 100, height: 100 })).toBeUndefined();
  });

  test("is its own where it does not say how large it is", () => {
    expect(reduced({ width: 0, height: 0 }, { width: 100, height: 100 })).toBeUndefined();
  });

  test("has one pixel at least", () => {
    expect(reduced({ width: 4000, height: 1 }, { width: 10, height: 10 })).toEqual({ width: 12, height: 1 });
  });
});
