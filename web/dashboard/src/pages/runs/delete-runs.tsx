/** Deletes runs, after asking. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { isFinal, type RunView } from "../../model/run";
import { Confirm } from "../../parts/dialog";
import { formatBytes } from "../../parts/format";
import { Icon } from "../../parts/icon";
import { Problem } from "../../parts/problem";
import { useScope } from "../../parts/scope";
import { telemetry } from "../../rpc/telemetry";

interface DeleteRunsProps {
  readonly runs: readonly RunView[];
  readonly onDeleted: () => void;
}

export function DeleteRuns({ runs, onDeleted }: DeleteRunsProps): JSX.Element {
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<unknown>();
  const allowed = useScope("telemetry.write");
  const refusal = refusalOf(runs, allowed);
  const remove = async (): Promise<void> => {
    setError(undefined);
    try {
      for (const run of runs) {
        await telemetry.deleteRun({ runId: run.id });
      }
    } catch (failure) {
      setError(failure);
    }
    onDeleted();
  };
  const size = formatBytes(runs.reduce((sum, run) => sum + run.storedBytes, 0));
  const what = runs.length === 1 ? `the run ${runs[0]?.id ?? ""}` : `${runs.length} runs`;
  return (
    <>
      <button type="button" class="button danger" disabled={refusal !== undefined} title={refusal} onClick={() => setAsking(true)}>
        <Icon name="trash" size={14} />
        Delete
      </button>
      {error !== undefined && <Problem title="Not everything was deleted" error={error} />}
      {asking && (
        <Confirm
          title={`Delete ${what}?`}
          text={`Everything that was stored of it goes: curves, images and log, ${size}. It cannot be taken back.`}
          action="Delete"
          onConfirm={() => void remove()}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}

/** Why runs cannot be deleted now; undefined if they can. */
function refusalOf(runs: readonly RunView[], allowed: boolean): string | undefined {
  if (!allowed) {
    return "Your token may not delete: it lacks the scope telemetry.write";
  }
  if (runs.length === 0) {
    return "Select a run";
  }
  const live = runs.find((run) => run.writer === "live" && !isFinal(run.status));
  return live === undefined ? undefined : `${live.id} is being written to; stop it first`;
}
