/** Runs side by side: their curves over each other, and a table of what they were set to and what came of it. */
import { useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { go, type PageProps } from "../../app/router";
import type { RunView } from "../../model/run";
import { EmptyState } from "../../parts/empty-state";
import { Problem } from "../../parts/problem";
import { Segments } from "../../parts/segments";
import { useTitle } from "../../parts/title";
import { useRunList } from "../runs/run-list";
import { choicePath, readChoice, toggled, type Choice } from "./choice";
import { ComparisonTable } from "./comparison-table";
import { MetricChart } from "./metric-charts";
import { MetricChooser } from "./metric-chooser";
import { RunChooser } from "./run-chooser";
import { tellingMetrics } from "./telling-metrics";
import { useFinals } from "./use-finals";
import "./compare.css";

const AXES = [
  { value: "step", title: "Steps" },
  { value: "time", title: "Time" },
] as const;

export function ComparePage({ query }: PageProps): JSX.Element {
  useTitle("Compare runs");
  const { runs, error, refresh } = useRunList();
  const choice = readChoice(query);
  const change = (next: Partial<Choice>): void => go(choicePath({ ...choice, ...next }), { replace: true });
  return (
    <section class="page">
      <h1>Compare runs</h1>
      {error !== undefined && <Problem title="The runs cannot be listed" error={error} onRetry={refresh} />}
      {runs?.length === 0 && (
        <EmptyState title="There is nothing to compare yet" commands={["nox -s demo", "catenary train deep_svdd", "catenary train rx"]}>
          Run two trainings or more; each is a run.
        </EmptyState>
      )}
      {runs !== undefined && runs.length > 0 && (
        <>
          <RunChooser runs={runs} chosen={choice.runs} onToggle={(id) => change({ runs: toggled(choice.runs, id) })} />
          <Compared all={runs} choice={choice} onChange={change} />
        </>
      )}
    </section>
  );
}

interface ComparedProps {
  readonly all: readonly RunView[];
  readonly choice: Choice;
  readonly onChange: (next: Partial<Choice>) => void;
}

function Compared({ all, choice, onChange }: ComparedProps): JSX.Element {
  const key = choice.runs.join("\n");
  const runs = useMemo(
    () => key.split("\n").flatMap((id) => all.filter((run) => run.id === id)),
    [all, key],
  );
  const missing = choice.runs.filter((id) => !all.some((run) => run.id === id));
  const { finals, error } = useFinals(runs);
  const names = [...new Set(runs.flatMap((run) => run.metricNames))].sort();
  const metrics = choice.metrics.length > 0 ? choice.metrics : tellingMetrics(runs);
  if (choice.runs.length === 0) {
    return <EmptyState title="Choose two runs or more">Their curves and settings appear here, and the address keeps the choice.</EmptyState>;
  }
  return (
    <>
      {missing.length > 0 && <Problem title="Not on this server" error={new Error(missing.join(", "))} />}
      {error !== undefined && <Problem title="The metrics cannot be read" error={error} />}
      <div class="row compare-bar">
        <MetricChooser names={names} chosen={metrics} onToggle={(name) => onChange({ metrics: toggled(metrics, name) })} />
        <Segments label="Curves over" options={AXES} value={choice.axis} onChange={(axis) => onChange({ axis })} />
      </div>
      <div class="metric-charts">
        {metrics.map((metric) => (
          <MetricChart key={metric} metric={metric} runs={runs} axis={choice.axis} />
        ))}
      </div>
      {runs.length > 0 && <ComparisonTable runs={runs.map((run) => ({ run, finals: finals.get(run.id) ?? new Map() }))} />}
    </>
  );
}
