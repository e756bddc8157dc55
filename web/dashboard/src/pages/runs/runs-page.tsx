/** All runs: live ones, finished ones, failed ones. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { EmptyState } from "../../parts/empty-state";
import { Problem } from "../../parts/problem";
import { SearchField } from "../../parts/search-field";
import { Segments } from "../../parts/segments";
import { useTitle } from "../../parts/title";
import { comparePath } from "../../app/paths";
import { go } from "../../app/router";
import { DeleteRuns } from "./delete-runs";
import { filterRuns, GROUPS, isIn, type Group } from "./run-filter";
import { useRunList } from "./run-list";
import { RunTable } from "./run-table";
import "./runs-page.css";

const COMMANDS = [
  "catenary train deep_svdd training.trainer.max_epochs=40",
  "python examples/telemetry_digits.py --server localhost:50051",
];

export function RunsPage(): JSX.Element {
  useTitle("Runs");
  const { runs, error, refresh } = useRunList();
  return (
    <section class="page">
      <h1>Runs</h1>
      {error !== undefined && <Problem title="The runs cannot be listed" error={error} onRetry={refresh} />}
      {runs === undefined && error === undefined && <p class="muted">Asking for the runs</p>}
      {runs?.length === 0 && (
        <div class="panel">
          <EmptyState title="No training has reported yet" commands={COMMANDS}>
            A training on this server is a run, and so is any training loop that logs to it. Try one of these in a
            terminal; it appears here by itself.
          </EmptyState>
        </div>
      )}
      {runs !== undefined && runs.length > 0 && <RunBrowser runs={runs} onDeleted={refresh} />}
    </section>
  );
}

function RunBrowser({ runs, onDeleted }: { runs: NonNullable<ReturnType<typeof useRunList>["runs"]>; onDeleted: () => void }): JSX.Element {
  const [group, setGroup] = useState<Group>("all");
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const shown = filterRuns(runs, group, search);
  const marked = runs.filter((run) => chosen.has(run.id));
  const compare = (): void => go(comparePath(marked.map((run) => run.id)));
  const deleted = (): void => {
    setChosen(new Set());
    onDeleted();
  };
  const showAll = (): void => {
    setSearch("");
    setGroup("all");
  };
  const options = GROUPS.map((each) => ({
    value: each.group,
    title: `${each.title} ${runs.filter((run) => isIn(each.group, run)).length}`,
  }));
  return (
    <>
      <div class="runs-bar">
        <SearchField label="Search runs and tags" value={search} onChange={setSearch} />
        <Segments label="Which runs" options={options} value={group} onChange={setGroup} />
        <div class="row runs-actions">
          <span class="muted small" role="status">
            {marked.length > 0 ? `${marked.length} selected` : ""}
          </span>
          <button type="button" class="button" disabled={marked.length < 2} title={marked.length < 2 ? "Select two runs or more" : undefined} onClick={compare}>
            Compare
          </button>
          <DeleteRuns runs={marked} onDeleted={deleted} />
        </div>
      </div>
      <div class="panel">
        {shown.length === 0 ? (
          <EmptyState title="No run fits">
            <button type="button" class="link-button" onClick={showAll}>
              Show all {runs.length} runs
            </button>
          </EmptyState>
        ) : (
          <RunTable runs={shown} chosen={chosen} onChoose={setChosen} onTag={setSearch} />
        )}
      </div>
    </>
  );
}
