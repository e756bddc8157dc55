/** Inference on a scene of one's own: what the camera saw, what the pipeline makes of it, what it decides. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { formatBytes } from "../../../parts/format";
import { Problem } from "../../../parts/problem";
import { useScope } from "../../../parts/scope";
import { CallFailed } from "../../../rpc/fault";
import { discovery } from "../calls";
import { FileDrop } from "./file-drop";
import { infer, type Outcome } from "./inference";
import { Pictures } from "./pictures";
import { FileRefused } from "./refusal";
import { readScene, type Scene } from "./scene-file";
import "./preview.css";

interface Preview {
  readonly scene: Scene;
  readonly outcome: Outcome;
}

const DEFAULT_LIMIT_BYTES = 300 * 2 ** 20;

interface PreviewPanelProps {
  readonly sessionId: string;
  /** Whether the session has a pipeline. */
  readonly ready: boolean;
  /** Called after each inference, which also counts for the profile. */
  readonly onInferred: () => void;
}

export function PreviewPanel({ sessionId, ready, onInferred }: PreviewPanelProps): JSX.Element {
  const allowed = useScope("inference.write");
  const [busy, setBusy] = useState("");
  const [preview, setPreview] = useState<Preview>();
  const [problem, setProblem] = useState<unknown>();
  const running = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => running.current?.abort(), []);

  const run = async (file: File): Promise<void> => {
    const abort = new AbortController();
    running.current = abort;
    setProblem(undefined);
    setBusy(`Reading ${file.name}`);
    try {
      const scene = await sceneIn(file);
      setBusy(`Inferring on ${scene.rows} \u00d7 ${scene.cols} \u00d7 ${scene.bands}`);
      const outcome = await infer(sessionId, scene, abort.signal);
      setPreview({ scene, outcome });
      onInferred();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy("");
    }
  };
  const refused = allowed ? (ready ? undefined : "the session has no pipeline yet") : "your token lacks the scope inference.write";
  return (
    <section class="panel" aria-labelledby="preview-title">
      <div class="panel-head">
        <h2 id="preview-title">Inference on a scene</h2>
        {preview !== undefined && <Facts {...preview} />}
      </div>
      <div class="panel-body stack">
        <FileDrop busy={busy !== ""} refused={refused} onFile={(file) => void run(file)} />
        <p class="visually-hidden" role="status">
          {busy}
        </p>
        {problem !== undefined && <Problem title={titleOf(problem)} error={problem} />}
        {preview !== undefined && <Pictures {...preview} />}
      </div>
    </section>
  );
}

function Facts({ scene, outcome }: Preview): JSX.Element {
  return (
    <dl class="facts">
      <Fact name="Scene" value={scene.name} />
      <Fact name="Size" value={`${scene.rows} \u00d7 ${scene.cols} \u00d7 ${scene.bands}, ${scene.dtype}`} />
      <Fact name="Sent" value={formatBytes(outcome.sentBytes)} />
      <Fact name="Time taken" value={`${outcome.durationMs.toFixed(0)} ms`} />
    </dl>
  );
}

function Fact({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="numbers">{value}</dd>
    </div>
  );
}

async function sceneIn(file: File): Promise<Scene> {
  const { limits } = await discovery.getServerInfo({});
  const limit = Number(limits?.messages?.inferenceSizeBytes ?? 0n) || DEFAULT_LIMIT_BYTES;
  if (file.size > limit) {
    throw new FileRefused(`${file.name} has ${formatBytes(file.size)}; the server takes ${formatBytes(limit)} in one request`);
  }
  return await readScene(file.name, new Uint8Array(await file.arrayBuffer()), limit);
}

function titleOf(problem: unknown): string {
  if (problem instanceof CallFailed) {
    return `The server refused: ${problem.fault.reason || problem.fault.code}`;
  }
  return problem instanceof FileRefused ? "This file cannot be used" : "The scene could not be shown";
}
