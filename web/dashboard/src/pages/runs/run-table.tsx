/** The table of runs. */
import type { JSX } from "preact";
import { runPath } from "../../app/paths";
import { Link } from "../../app/router";
import { isFinal, type RunView } from "../../model/run";
import { DataTable, type Column } from "../../parts/data-table";
import { formatAgo, formatBytes, formatDate, formatDuration } from "../../parts/format";
import { SilentBadge, StatusBadge } from "../../parts/status-badge";
import { Sparkline } from "./sparkline";

interface RunTableProps {
  readonly runs: readonly RunView[];
  readonly chosen: ReadonlySet<string>;
  readonly onChoose: (chosen: ReadonlySet<string>) => void;
  /** A tag was clicked. */
  readonly onTag: (search: string) => void;
}

export function RunTable({ runs, chosen, onChoose, onTag }: RunTableProps): JSX.Element {
  const toggle = (id: string): void => {
    const next = new Set(chosen);
    if (!next.delete(id)) {
      next.add(id);
    }
    onChoose(next);
  };
  const columns = columnsOf(chosen, toggle, onTag);
  return (
    <DataTable
      caption="Runs"
      columns={columns}
      rows={runs}
      rowKey={(run) => run.id}
      rowClass={(run) => (chosen.has(run.id) ? "chosen" : undefined)}
    />
  );
}

function columnsOf(
  chosen: ReadonlySet<string>,
  toggle: (id: string) => void,
  onTag: (search: string) => void,
): Column<RunView>[] {
  const now = Date.now();
  return [
    {
      key: "chosen",
      title: "",
      cell: (run) => (
        <input type="checkbox" aria-label={`Select ${run.id}`} checked={chosen.has(run.id)} onChange={() => toggle(run.id)} />
      ),
    },
    {
      key: "status",
      title: "Status",
      cell: (run) => (
        <span class="row runs-status">
          <StatusBadge status={run.status} />
          <SilentBadge run={run} />
        </span>
      ),
      sortBy: (run) => `${isFinal(run.status) ? 1 : 0} ${run.status}`,
    },
    { key: "run", title: "Run", rowHeader: true, cell: (run) => <RunName run={run} onTag={onTag} />, sortBy: (run) => run.id },
    { key: "loss", title: "Loss", wideOnly: true, cell: (run) => <Sparkline run={run} /> },
    {
      key: "started",
      title: "Started",
      numeric: true,
      wideOnly: true,
      cell: (run) => <span title={formatDate(run.createdAt)}>{formatAgo(run.createdAt, now)}</span>,
      sortBy: (run) => run.createdAt,
    },
    {
      key: "duration",
      title: "Duration",
      numeric: true,
      wideOnly: true,
      cell: (run) => formatDuration(durationOf(run, now)),
      sortBy: (run) => durationOf(run, now) ?? Number.NaN,
    },
    {
      key: "stored",
      title: "On disk",
      numeric: true,
      wideOnly: true,
      cell: (run) => formatBytes(run.storedBytes),
      sortBy: (run) => run.storedBytes,
    },
  ];
}

function RunName({ run, onTag }: { run: RunView; onTag: (search: string) => void }): JSX.Element {
  const about = [run.model, run.dataset].filter(Boolean).join(" on ");
  return (
    <div class="runs-name">
      <Link href={runPath(run.id)}>{run.id}</Link>
      {about !== "" && <span class="muted small">{about}</span>}
      <span class="muted small narrow-only">started {formatAgo(run.createdAt, Date.now())}</span>
      {run.failure !== "" && <span class="bad-text small">{run.failure}</span>}
      {run.tags.length > 0 && (
        <div class="chips">
          {run.tags.map(({ name, value }) => (
            <button key={name} type="button" class="chip" title={`Runs with ${name}=${value}`} onClick={() => onTag(`${name}=${value}`)}>
              {name}={value}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** Seconds from the first batch to the end, or to now. */
function durationOf(run: RunView, now: number): number | undefined {
  if (run.startedAt === undefined) {
    return undefined;
  }
  const last = isFinal(run.status) || run.writer !== "live" ? (run.endedAt ?? run.updatedAt) : now;
  return (last - run.startedAt) / 1000;
}
