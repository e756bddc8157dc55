import { create, fromBinary } from "@bufbuild/protobuf";
import { Device_Kind } from "@catenary/contract/catenary/v1/discovery_pb";
import { GetServerInfoResponseSchema } from "@catenary/contract/catenary/v1/discovery_service_pb";
import { SessionSchema, SessionState } from "@catenary/contract/catenary/v1/session_pb";
import { describe, expect, test } from "vitest";
import { serverView, sessionView } from "../../../src/pages/sessions/session";

describe("a server", () => {
  const limits = { sessions: { server: { total: 10, used: 3 } }, streams: { total: 512, used: 1 } };

  test("has the slots that it tells of", () => {
    const view = serverView(create(GetServerInfoResponseSchema, { capabilities: [{ name: "sessions" }], limits }));
    expect(view.slots).toEqual([
      { name: "Sessions", used: 3, total: 10 },
      { name: "Streams", used: 1, total: 512 },
    ]);
  });

  test("has no slots for sessions where it does not claim them", () => {
    const view = serverView(create(GetServerInfoResponseSchema, { limits }));
    expect(view.slots.map(({ name }) => name)).toEqual(["Streams"]);
  });

  test("has devices with their memory as far as it is known", () => {
    const cuda = { name: "cuda:0", kind: Device_Kind.CUDA, model: "", memoryTotalBytes: 8n, memoryFreeBytes: 2n };
    const devices = [{ name: "cpu", kind: Device_Kind.CPU, model: "x86_64" }, cuda];
    expect(serverView(create(GetServerInfoResponseSchema, { devices })).devices).toEqual([
      { name: "cpu", model: "x86_64", totalBytes: 0, freeBytes: undefined },
      { name: "cuda:0", model: "CUDA", totalBytes: 8, freeBytes: 2 },
    ]);
  });
});

test("a session that a run holds open has no end, and one of a later contract an unknown state", () => {
  const session = { sessionId: "s", state: SessionState.TRAINING, runId: "r", labels: { team: "vision" } };
  expect(sessionView(create(SessionSchema, session))).toMatchObject({
    state: "training",
    expiresAt: undefined,
    labels: [{ name: "team", value: "vision" }],
  });
  const LATER = Uint8Array.of(0x10, 99); // field 2, the state
  expect(sessionView(fromBinary(SessionSchema, LATER)).state).toBe("unknown");
});
