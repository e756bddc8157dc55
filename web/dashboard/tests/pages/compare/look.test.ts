import { expect, test } from "vitest";
import { lookOf } from "../../../src/pages/compare/look";

test("forty runs look different, and neighbours differ by dashes as well as by colour", () => {
  const looks = Array.from({ length: 40 }, (_, index) => lookOf(index));
  expect(new Set(looks.map((look) => JSON.stringify(look))).size).toBe(40);
  looks.slice(1).forEach((look, index) => {
    expect(look.colour).not.toBe(looks[index]?.colour);
    expect(look.dash).not.toEqual(looks[index]?.dash);
  });
});
