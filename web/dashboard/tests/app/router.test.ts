import { beforeAll, describe, expect, test, vi } from "vitest";

// The module reads the address bar when it is loaded; what is tested needs none.
beforeAll(() => vi.stubGlobal("window", { location: { pathname: "/", search: "" } }));

async function match(pattern: string, path: string): Promise<Record<string, string> | undefined> {
  return (await import("../../src/app/router")).match(pattern, path);
}

describe("a route", () => {
  test.each([
    ["/", "/", {}],
    ["/runs/:id", "/runs/digits-1", { id: "digits-1" }],
    ["/runs/:id", "/runs/a.b/", { id: "a.b" }],
    ["/runs/:id", "/runs/a%2Fb", { id: "a/b" }],
    ["/runs/:id", "/runs/%E0%A4%A", { id: "%E0%A4%A" }],
  ])("%s fits %s", async (pattern, path, params) => {
    expect(await match(pattern, path)).toEqual(params);
  });

  test.each([
    ["/", "/runs"],
    ["/runs/:id", "/runs"],
    ["/runs/:id", "/runs/a/b"],
    ["/compare", "/runs"],
  ])("%s does not fit %s", async (pattern, path) => {
    expect(await match(pattern, path)).toBeUndefined();
  });
});
