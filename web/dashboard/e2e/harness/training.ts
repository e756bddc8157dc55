/** A real training that reports to a server. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "./processes.ts";
import { PYTHON, type Server } from "./server.ts";

const SCRIPT = fileURLToPath(new URL("../training.py", import.meta.url));

export interface Training {
  readonly runId: string;
  readonly program: Program;
}

/** Start `training.py` with these parameters; returns once it has its run. */
export async function startTraining(
  server: Pick<Server, "address" | "folder">,
  ...parameters: readonly string[]
): Promise<Training> {
  const spill = mkdtempSync(join(server.folder, "spill-"));
  const program = new Program("the training", PYTHON, [
    SCRIPT,
    ...["--server", server.address, "--spill", spill],
    ...parameters,
  ]);
  const runId = (await program.line(/^([A-Za-z0-9][\w.:-]+)$/))[1] ?? "";
  return { runId, program };
}
