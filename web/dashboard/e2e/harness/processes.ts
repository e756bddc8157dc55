/** Programs that a test starts, each of which is ended by the time the test is over. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const END_MS = 10_000;
const KEPT_LINES = 60;

/** A program under way. */
export class Program {
  readonly process: ChildProcess;
  /** The last lines that it wrote, for messages of failures. */
  readonly lines: string[] = [];
  readonly #name: string;
  #failed = false;
  readonly #waiting = new Set<() => void>();

  constructor(name: string, command: string, parameters: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.#name = name;
    this.process = spawn(command, parameters, {
      env: { ...process.env, OMP_NUM_THREADS: "1", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream !== null) {
        createInterface({ input: stream }).on("line", (line) => this.#heard(line));
      }
    }
    this.process.on("exit", () => this.#wake());
    this.process.on("error", (error) => {
      this.#failed = true;
      this.#heard(String(error));
    });
  }

  /** The first line that fits; raises with what was said instead when the program ends before. */
  async line(pattern: RegExp, patienceMs = 60_000): Promise<RegExpMatchArray> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      for (const line of this.lines) {
        const found = line.match(pattern);
        if (found !== null) {
          return found;
        }
      }
      if (this.#failed || this.process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`${this.#name} said no ${String(pattern)}:\n${this.lines.join("\n")}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** The exit status, once it has ended. */
  async ended(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      await once(this.process, "exit");
    }
    return this.process.exitCode;
  }

  /** End it: kindly, then not. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      const timer = setTimeout(() => this.process.kill("SIGKILL"), END_MS);
      await this.ended();
      clearTimeout(timer);
    }
  }

  #heard(line: string): void {
    this.lines.push(line);
    if (this.lines.length > KEPT_LINES) {
      this.lines.shift();
    }
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) {
      wake();
    }
  }
}
