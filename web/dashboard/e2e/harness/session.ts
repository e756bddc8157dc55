/** A real session on the server, with a pipeline that is trained there. */
import { fileURLToPath } from "node:url";
import { Program } from "./processes.ts";
import { PYTHON, type Server } from "./server.ts";

const SCRIPT = fileURLToPath(new URL("../session.py", import.meta.url));

export interface RemoteSession {
  readonly id: string;
  readonly program: Program;
}

/** Start `session.py` with these parameters; returns once it has its session. */
export async function openSession(
  server: Pick<Server, "address" | "folder">,
  ...parameters: readonly string[]
): Promise<RemoteSession> {
  const program = run(server, parameters);
  const id = (await program.line(/^([\w-]{20,})$/))[1] ?? "";
  return { id, program };
}

/** Train in a session that is there; returns at once, and the program ends with the training. */
export function trainIn(server: Pick<Server, "address" | "folder">, id: string, ...phases: readonly string[]): Program {
  return run(server, ["--attach", id, "--phases", ...phases]);
}

function run({ address, folder }: Pick<Server, "address" | "folder">, parameters: readonly string[]): Program {
  return new Program("the session", PYTHON, [SCRIPT, "--server", address, "--folder", folder, ...parameters]);
}
