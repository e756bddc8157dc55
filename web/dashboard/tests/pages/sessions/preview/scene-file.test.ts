import { describe, expect, test } from "vitest";
import { readNpy } from "../../../../src/pages/sessions/preview/npy";
import { readScene } from "../../../../src/pages/sessions/preview/scene-file";
import { bytesOf, npy, zip } from "./arrays";

const MIB = 2 ** 20;
const CUBE = npy("<f4", [2, 3, 4], bytesOf(Float32Array.from({ length: 24 }, (_, index) => index)));

describe("an array file", () => {
  test.each([
    ["|u1", Uint8Array.of(0, 1, 255), [0, 1, 255]],
    ["|b1", Uint8Array.of(0, 1, 1), [0, 1, 1]],
    ["<i2", Int16Array.of(-3, 0, 9), [-3, 0, 9]],
    ["<u2", Uint16Array.of(1, 2, 65535), [1, 2, 65535]],
    ["<i4", Int32Array.of(-16777217, 0, 2), [-16777217, 0, 2]],
    ["<f8", Float64Array.of(0.1, NaN, Infinity), [0.1, NaN, Infinity]],
    ["<i8", BigInt64Array.of(-1n, 2n, 3n), [-1, 2, 3]],
    ["<f2", Uint16Array.of(0x3c00, 0xc000, 0x0001), [1, -2, 2 ** -24]],
  ])("of %s is read exactly", (dtype, elements, expected) => {
    expect([...readNpy(npy(dtype, [3], bytesOf(elements))).values]).toEqual(expected);
  });

  test("with big-endian elements is read as well", () => {
    expect([...readNpy(npy(">u2", [2], Uint8Array.of(1, 0, 0, 5))).values]).toEqual([256, 5]);
  });

  test("in column-major order comes out row-major", () => {
    const columns = npy("|u1", [2, 3], Uint8Array.of(1, 4, 2, 5, 3, 6), true);
    expect([...readNpy(columns).values]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test.each([
    ["no NumPy file", new TextEncoder().encode("GIF89a, and not an array")],
    ["cut short", CUBE.slice(0, -1)],
    ["no numbers", npy("<U4", [1], new Uint8Array(16))],
    ["no numbers", npy("|O", [1], new Uint8Array(8))],
  ])("that is %s is refused with the reason", (reason, bytes) => {
    expect(() => readNpy(bytes)).toThrow(reason);
  });
});

describe("a scene file", () => {
  test("with a cube alone is a scene", async () => {
    const scene = await readScene("a.npy", CUBE, MIB);
    expect([scene.rows, scene.cols, scene.bands, scene.dtype]).toEqual([2, 3, 4, "<f4"]);
    expect([scene.wavelengths, scene.truth]).toEqual([undefined, undefined]);
  });

  test.each([false, true])("with cube, mask and wavelengths has all three (deflated: %s)", async (deflated) => {
    const files = {
      "cube.npy": CUBE,
      "mask.npy": npy("<i4", [2, 3], bytesOf(Int32Array.of(0, 1, 0, 0, 0, 1))),
      "wavelengths.npy": npy("<f8", [4], bytesOf(Float64Array.of(400, 500, 600, 700))),
    };
    const scene = await readScene("a.npz", zip(files, { deflated }), MIB);
    expect([...(scene.truth ?? [])]).toEqual([0, 1, 0, 0, 0, 1]);
    expect([...(scene.wavelengths ?? [])]).toEqual([400, 500, 600, 700]);
  });

  test("with the arrays `data` and `map`, or with one of another name, is a scene", async () => {
    const named = zip({ "map.npy": npy("|u1", [2, 3], new Uint8Array(6)), "data.npy": CUBE });
    expect((await readScene("a.npz", named, MIB)).truth).toHaveLength(6);
    expect((await readScene("a.npz", zip({ "hyper.npy": CUBE }), MIB)).bands).toBe(4);
  });

  test("with a batch of one is the scene in it", async () => {
    expect((await readScene("a.npy", npy("|u1", [1, 2, 2, 3], new Uint8Array(12)), MIB)).bands).toBe(3);
  });

  test.each([
    ["neither .npy nor .npz", "scene.mat", CUBE],
    ["no scene", "a.npy", npy("|u1", [4, 4], new Uint8Array(16))],
    ["no scene", "a.npy", npy("|u1", [0, 4, 4], new Uint8Array(0))],
    ["no scene", "a.npy", npy("|u1", [2, 2, 2, 2], new Uint8Array(16))],
    ["no archive", "a.npz", CUBE],
    ["holds no array", "a.npz", zip({ "readme.txt": new Uint8Array(3) })],
    ["larger than the archive says", "a.npz", zip({ "cube.npy": CUBE }, { deflated: true, size: 40 })],
    ["shorter than the archive says", "a.npz", zip({ "cube.npy": CUBE }, { deflated: true, size: 4000 })],
    ["is what the server takes", "a.npz", zip({ "cube.npy": CUBE }, { deflated: true, size: MIB + 1 })],
    ["damaged", "a.npz", zip({ "cube.npy": CUBE }, { deflated: true }).fill(0xff, 40, 60)],
  ])("that is %s is refused with the reason", async (reason, name, bytes) => {
    await expect(readScene(name, bytes, MIB)).rejects.toThrow(reason);
  });
});
