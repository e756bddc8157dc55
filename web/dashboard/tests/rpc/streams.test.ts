import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { ClientFrameSchema, ServerFrameSchema, type ClientFrame } from "@catenary/contract/catenary/dashboard/v1/frame_pb";
import { Code } from "@catenary/contract/google/rpc/code_pb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket as NodeSocket, WebSocketServer, type WebSocket as ServerSocket } from "ws";
import { CallFailed } from "../../src/rpc/fault";
import type { Connection } from "../../src/rpc/protocol";
import { LINK_LOST } from "../../src/rpc/stream-call";
import { StreamLink } from "../../src/rpc/streams";

/** The server's side of one connection, by hand. */
class Peer {
  readonly socket: ServerSocket;
  readonly #frames: ClientFrame[] = [];
  #wake = (): void => undefined;

  constructor(socket: ServerSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => {
      this.#frames.push(fromBinary(ClientFrameSchema, new Uint8Array(data)));
      this.#wake();
    });
  }

  async heard(): Promise<ClientFrame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        return frame;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  say(frame: MessageInitShape<typeof ServerFrameSchema>): void {
    this.socket.send(toBinary(ServerFrameSchema, create(ServerFrameSchema, frame)));
  }

  async welcome(): Promise<string> {
    const { frame } = await this.heard();
    this.say({ callId: 0, frame: { case: "welcome", value: { principal: "ada", scopes: ["telemetry.read"] } } });
    return frame.case === "hello" ? frame.value.token : "";
  }
}

let server: WebSocketServer;
let link: StreamLink;
let token: string;
let reachable: boolean;
let phases: string[];
const peers: Peer[] = [];
let onPeer = (): void => undefined;

async function nextPeer(): Promise<Peer> {
  for (;;) {
    const peer = peers.shift();
    if (peer !== undefined) {
      return peer;
    }
    await new Promise<void>((resolve) => (onPeer = resolve));
  }
}

const live = (): Promise<void> => link.live(AbortSignal.timeout(10_000));

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    peers.push(new Peer(socket));
    onPeer();
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  token = "secret";
  reachable = true;
  phases = [];
  link = new StreamLink({
    socket: () => {
      const socket = new NodeSocket(`ws://127.0.0.1:${port}/streams`);
      socket.on("error", () => undefined); // a browser raises none for a socket that is closed too early
      return socket as unknown as WebSocket;
    },
    reachable: () => Promise.resolve(reachable),
    token: () => token,
    onConnection: (connection: Connection) => phases.push(connection.phase),
    random: () => 0,
  });
  void link.run();
});

afterEach(() => {
  link.close();
  for (const client of server.clients) {
    client.terminate();
  }
  server.close();
  peers.length = 0;
});

describe("a link", () => {
  test("says who it speaks for first, and is live when it is welcomed", async () => {
    const peer = await nextPeer();
    expect(await peer.welcome()).toBe("secret");
    await live();
    expect(link.connection).toEqual({ phase: "live", principal: "ada", scopes: ["telemetry.read"] });
  });

  test("opens calls with rising numbers, gives credit, and ends with the call", async () => {
    const peer = await nextPeer();
    await peer.welcome();
    await live();
    const call = link.open("/a.B/C", new Uint8Array([1, 2]), 3);
    const opened = await peer.heard();
    expect(opened).toMatchObject({ callId: 1, frame: { case: "open", value: { methodPath: "/a.B/C", credit: 3 } } });
    peer.say({ callId: 1, frame: { case: "message", value: new Uint8Array([7]) } });
    peer.say({ callId: 1, frame: { case: "message", value: new Uint8Array([8]) } });
    const seen: number[] = [];
    for await (const message of call) {
      seen.push(message[0] ?? 0);
      call.credit(2);
      expect(await peer.heard()).toMatchObject({ callId: 1, frame: { case: "credit", value: { messages: 2 } } });
      if (seen.length === 2) {
        peer.say({ callId: 1, frame: { case: "ended", value: { code: Code.OK } } });
      }
    }
    expect(seen).toEqual([7, 8]);
    link.open("/a.B/C", new Uint8Array(), 1);
    expect(await peer.heard()).toMatchObject({ callId: 2, frame: { case: "open" } });
  });

  test("keeps calls apart", async () => {
    const peer = await nextPeer();
    await peer.welcome();
    await live();
    const [one, other] = [link.open("/a.B/C", new Uint8Array(), 1), link.open("/a.B/D", new Uint8Array(), 1)];
    peer.say({ callId: 2, frame: { case: "message", value: new Uint8Array([2]) } });
    peer.say({ callId: 1, frame: { case: "message", value: new Uint8Array([1]) } });
    const first = await Promise.all([one[Symbol.asyncIterator]().next(), other[Symbol.asyncIterator]().next()]);
    expect(first.map(({ value }) => (value as Uint8Array)[0])).toEqual([1, 2]);
  });

  test("raises the status of a call that failed", async () => {
    const peer = await nextPeer();
    await peer.welcome();
    await live();
    const call = link.open("/a.B/C", new Uint8Array(), 1);
    peer.say({ callId: 1, frame: { case: "ended", value: { code: Code.NOT_FOUND, message: "no such run" } } });
    const error = await call[Symbol.asyncIterator]().next().catch((reason: unknown) => reason);
    expect((error as CallFailed).fault).toMatchObject({ code: "NOT_FOUND", message: "no such run" });
  });

  test("tells the server of a call that nobody reads any more", async () => {
    const peer = await nextPeer();
    await peer.welcome();
    await live();
    const call = link.open("/a.B/C", new Uint8Array(), 1);
    await peer.heard();
    call.cancel();
    expect(await peer.heard()).toMatchObject({ callId: 1, frame: { case: "cancel" } });
    expect((await call[Symbol.asyncIterator]().next()).done).toBe(true);
  });

  test("loses its calls with the connection, and connects again", async () => {
    const peer = await nextPeer();
    await peer.welcome();
    await live();
    const call = link.open("/a.B/C", new Uint8Array(), 1);
    await peer.heard();
    peer.socket.terminate();
    const error = await call[Symbol.asyncIterator]().next().catch((reason: unknown) => reason);
    expect((error as CallFailed).fault.code).toBe(LINK_LOST);
    const next = await nextPeer();
    await next.welcome();
    await live();
    expect(phases).toEqual(["connecting", "live", "connecting", "waiting", "connecting", "live"]);
  });

  test("makes no call without a connection", async () => {
    const error = await link.open("/a.B/C", new Uint8Array(), 1)[Symbol.asyncIterator]().next().catch((reason: unknown) => reason);
    expect((error as CallFailed).fault.code).toBe(LINK_LOST);
  });

  test("waits for another token where the one it has is refused", async () => {
    const peer = await nextPeer();
    await peer.heard();
    peer.socket.close(1008, "TOKEN_INVALID");
    await expect.poll(() => link.connection).toEqual({ phase: "refused", message: "TOKEN_INVALID" });
    token = "better";
    link.restart();
    const next = await nextPeer();
    expect(await next.welcome()).toBe("better");
    await live();
  });

  test("asks first whether a server is there after it found none", async () => {
    const peer = await nextPeer();
    reachable = false;
    peer.socket.terminate();
    await expect.poll(() => phases.filter((phase) => phase === "waiting").length).toBeGreaterThan(2);
    expect(peers).toEqual([]);
    reachable = true;
    await (await nextPeer()).welcome();
    await live();
  });

  test("is dropped at once when the network says that it is gone", async () => {
    await (await nextPeer()).welcome();
    await live();
    link.offline();
    await expect.poll(() => phases).toContain("waiting");
  });
});
