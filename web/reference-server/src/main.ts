/** Command line of the server. */
import { parseArgs } from "node:util";
import { Server } from "./server.js";
import { DEFAULT_LIMITS } from "./telemetry/limits.js";
import { Telemetry } from "./telemetry/service.js";

const USAGE = `Usage: node dist/main.js --telemetry DIR [--port PORT] [--heartbeat-ms MS]

Serves sessions, discovery and telemetry of the Catenary contract on the loopback address.

  --telemetry DIR     where runs are stored
  --port PORT         0 (the default) takes a free one
  --heartbeat-ms MS   time between two heartbeats of a training (default ${DEFAULT_LIMITS.heartbeatMs})
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h" },
    port: { type: "string", default: "0" },
    telemetry: { type: "string" },
    "heartbeat-ms": { type: "string", default: String(DEFAULT_LIMITS.heartbeatMs) },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (values.telemetry === undefined) {
  console.error(USAGE);
  process.exit(2);
}
const limits = { ...DEFAULT_LIMITS, heartbeatMs: Number(values["heartbeat-ms"]) };
const server = new Server(await Telemetry.start(values.telemetry, limits), limits);
console.log(`listening on 127.0.0.1:${await server.start(Number(values.port))}`);
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void server.stop().then(() => process.exit(0)));
