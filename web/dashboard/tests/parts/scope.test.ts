import { expect, test } from "vitest";
import { permits } from "../../src/parts/scope";

test.each([
  [["telemetry.read", "telemetry.control"], true],
  [["telemetry.*"], true],
  [["*.control"], true],
  [["*.*"], true],
  [["telemetry.read"], false],
  [["session.control"], false],
  [[], false],
])("scopes %j include telemetry.control: %s", (granted, included) => {
  expect(permits(granted, "telemetry.control")).toBe(included);
});
