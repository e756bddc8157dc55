// Runs the built server and calls it over gRPC, as any client would.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { once } from "node:events";
import http2 from "node:http2";

const folder = await mkdtemp(join(tmpdir(), "reference-server-"));
let server;
let address;

async function start() {
  server = spawn(process.execPath, ["dist/main.js", "--telemetry", folder], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(server.stdout, "data");
  address = `http://${/listening on (\S+)/.exec(String(line))[1]}`;
}

async function stop(signal = "SIGTERM") {
  server.kill(signal);
  return (await once(server, "exit"))[0];
}

/** Call an RPC with raw bytes; returns the status code and the bytes of the answer. */
async function call(path, message) {
  const connection = http2.connect(address);
  const stream = connection.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
  let status;
  stream.on("response", (headers) => (status ??= headers["grpc-status"]));
  stream.on("trailers", (trailers) => (status ??= trailers["grpc-status"]));
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  connection.close();
  return { code: Number(status), body: Buffer.concat(chunks).subarray(5) };
}

/** One string field. */
const field = (number, text) => Buffer.concat([Buffer.of((number << 3) | 2, text.length), Buffer.from(text)]);

before(start);
after(async () => {
  assert.equal(await stop(), 0);
  await rm(folder, { recursive: true });
});

test("a session that was created is found", async () => {
  const created = await call("/catenary.v1.SessionService/CreateSession", Buffer.alloc(0));
  assert.equal(created.code, 0);
  const id = created.body.subarray(2, 2 + created.body[1]).toString();
  assert.equal((await call("/catenary.v1.SessionService/GetSession", field(1, id))).code, 0);
  assert.equal((await call("/catenary.v1.SessionService/GetSession", field(1, "another"))).code, 5);
});

test("a request that breaks a rule is refused", async () => {
  assert.equal((await call("/catenary.v1.SessionService/GetSession", Buffer.alloc(0))).code, 3);
});

test("bytes that are no message are refused", async () => {
  assert.equal((await call("/catenary.v1.SessionService/ListSessions", Buffer.of(0x0a, 0x7f))).code, 3);
});

test("a service that is not there is unimplemented, known or not", async () => {
  assert.equal((await call("/catenary.v1.TrainingService/GetTrainStatus", Buffer.alloc(0))).code, 12);
  assert.equal((await call("/catenary.v1.Unknown/Method", Buffer.alloc(0))).code, 12);
});

test("a run survives a server that is killed", async () => {
  assert.equal((await call("/catenary.telemetry.v1.TelemetryService/RegisterTrainingSession", field(1, "kept"))).code, 0);
  await stop("SIGKILL");
  await start();
  assert.equal((await call("/catenary.telemetry.v1.TelemetryService/GetRun", field(1, "kept"))).code, 0);
});
