/** A real server with the pages as they were built, in a folder of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "./processes.ts";

/** Programs of the repository's environment, unless others are named. */
export const CATENARY = process.env["CATENARY_PROGRAM"] ?? inEnvironment("catenary");
export const PYTHON = process.env["CATENARY_PYTHON"] ?? inEnvironment("python");

export interface ServerOptions {
  /** Telemetry alone: starts faster, and needs no configurations. */
  readonly telemetryOnly?: boolean;
  readonly parameters?: readonly string[];
  /** To start again where another left off. */
  readonly folder?: string;
  readonly ports?: { readonly rpc: number; readonly dashboard: number };
}

export class Server {
  readonly folder: string;
  /** `host:port` for trainings. */
  readonly address: string;
  /** Where the pages are, with a slash at the end. */
  readonly url: string;
  readonly #program: Program;

  private constructor(folder: string, address: string, url: string, program: Program) {
    this.folder = folder;
    this.address = address;
    this.url = url;
    this.#program = program;
  }

  static async start(options: ServerOptions = {}): Promise<Server> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "catenary-e2e-")));
    const { rpc, dashboard } = options.ports ?? { rpc: 0, dashboard: 0 };
    const program = new Program("the server", CATENARY, [
      "serve",
      ...["--port", String(rpc), "--dashboard-port", String(dashboard)],
      ...["--telemetry", join(folder, "runs"), "--artifacts", join(folder, "artifacts")],
      ...(options.telemetryOnly === false ? [] : ["--only", "telemetry"]),
      ...(options.parameters ?? []),
    ]);
    const address = (await program.line(/address=(\S+)/))[1] ?? "";
    const url = (await program.line(/Dashboard: (http\S+)/))[1] ?? "";
    return new Server(folder, address, url, program);
  }

  /** Port of the pages. */
  get dashboardPort(): number {
    return Number(new URL(this.url).port);
  }

  get rpcPort(): number {
    return Number(this.address.slice(this.address.lastIndexOf(":") + 1));
  }

  /** Stop, and leave the folder. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#program.stop(signal);
  }

  /** Stop, and remove everything. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function inEnvironment(program: string): string {
  return fileURLToPath(new URL(`../../../../.venv/bin/${program}`, import.meta.url));
}
