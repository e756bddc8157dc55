/** Settings and outcomes of runs side by side. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { runPath } from "../../app/paths";
import { Link } from "../../app/router";
import { Swatch } from "../../parts/chart/legend";
import { Icon } from "../../parts/icon";
import { StatusBadge } from "../../parts/status-badge";
import { compare, type Compared, type ComparedCell, type ComparedGroup } from "./comparison";
import { lookOf } from "./look";
import { nameOf } from "./run-chooser";

export function ComparisonTable({ runs }: { runs: readonly Compared[] }): JSX.Element {
  const [onlyDifferences, setOnlyDifferences] = useState(false);
  const groups = compare(runs, Date.now());
  const shown = groups
    .map(({ title, rows }) => ({ title, rows: onlyDifferences ? rows.filter(({ differs }) => differs) : rows }))
    .filter(({ rows }) => rows.length > 0);
  const hidden = count(groups) - count(shown);
  return (
    <section class="panel" aria-labelledby="comparison-title">
      <div class="panel-head">
        <h2 id="comparison-title">Settings and final metrics</h2>
        <label class="check">
          <input type="checkbox" checked={onlyDifferences} onChange={(event) => setOnlyDifferences(event.currentTarget.checked)} />
          Only differences
          <span class="muted" role="status">
            {hidden > 0 ? `(${hidden} equal rows hidden)` : ""}
          </span>
        </label>
      </div>
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Settings and final metrics of the chosen runs">
        <table class="table comparison">
          <caption class="visually-hidden">
            Settings and final metrics of the chosen runs; differences are against the first of them
          </caption>
          <thead>
            <tr>
              <td />
              {runs.map(({ run }, index) => (
                <th key={run.id} scope="col">
                  <span class="comparison-run">
                    <Swatch source={lookOf(index)} />
                    <Link href={runPath(run.id)}>{nameOf(run, run.id)}</Link>
                  </span>
                  <span class="comparison-id mono">{run.id}</span>
                </th>
              ))}
            </tr>
          </thead>
          {shown.map((group) => (
            <Group key={group.title} group={group} runs={runs} />
          ))}
        </table>
      </div>
    </section>
  );
}

function Group({ group, runs }: { group: ComparedGroup; runs: readonly Compared[] }): JSX.Element {
  return (
    <tbody>
      <tr class="comparison-group">
        <th scope="colgroup" colSpan={runs.length + 1}>
          {group.title}
        </th>
      </tr>
      {group.rows.map(({ name, differs, cells }) => (
        <tr key={name} data-differs={differs}>
          <th scope="row">
            {name}
            {differs && <span class="visually-hidden"> (differs)</span>}
          </th>
          {cells.map((cell, index) => (
            <td key={runs[index]?.run.id}>
              {name === "status" && group.title === "Run" ? <StatusBadge status={runs[index]?.run.status ?? "unknown"} /> : <Cell cell={cell} />}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}

function Cell({ cell }: { cell: ComparedCell }): JSX.Element {
  return (
    <>
      <span class="comparison-value numbers">
        {cell.best && (
          <span class="comparison-best" title="Best of these runs">
            <Icon name="check" size={12} />
            <span class="visually-hidden">best: </span>
          </span>
        )}
        {cell.text}
      </span>
      {cell.difference !== "" && <span class="comparison-difference numbers">{cell.difference}</span>}
      {cell.detail !== "" && <span class="comparison-detail numbers muted">{cell.detail}</span>}
    </>
  );
}

function count(groups: readonly ComparedGroup[]): number {
  return groups.reduce((sum, { rows }) => sum + rows.length, 0);
}
