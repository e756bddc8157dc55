/** One run: what it sees, how it learns, and how it is steered. */
import { useEffect, useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { Link, type PageProps } from "../../app/router";
import { EmptyState } from "../../parts/empty-state";
import { Icon } from "../../parts/icon";
import { useTitle } from "../../parts/title";
import { CommandLog } from "./command-log";
import { EpochTable } from "./epoch-table";
import { EventLog } from "./event-log";
import { Figures } from "./figures";
import { Parameters } from "./parameters";
import { RunCharts } from "./run-charts";
import { RunHead } from "./run-head";
import { watchRun, type RunState } from "./run-state";
import { Steering } from "./steering";
import { Tiles } from "./tiles";
import "./run-page.css";

export function RunPage({ params }: PageProps): JSX.Element {
  const runId = params["id"] ?? "";
  const { state, stop } = useMemo(() => watchRun(runId), [runId]);
  useEffect(() => stop, [stop]);
  useTitle(runId);
  const fault = state.fault.value;
  return (
    <section class="page">
      <Link href="/" class="run-back">
        <Icon name="left" size={14} />
        All runs
      </Link>
      {fault === undefined ? (
        <Run runId={runId} state={state} />
      ) : (
        <div class="panel">
          <EmptyState
            title={fault.reason === "RUN_NOT_FOUND" ? "There is no such run" : "The run cannot be watched"}
            commands={["catenary runs list"]}
          >
            <p>
              <span class="mono">{runId}</span>
            </p>
            <p>{fault.message}</p>
          </EmptyState>
        </div>
      )}
    </section>
  );
}

function Run({ runId, state }: { runId: string; state: RunState }): JSX.Element {
  return (
    <>
      <RunHead runId={runId} state={state} />
      <Figures state={state} />
      <div class="run-grid">
        <div class="stack run-column">
          <Tiles state={state} />
          <Steering runId={runId} state={state} />
          <CommandLog state={state} />
        </div>
        <div class="stack run-column">
          <RunCharts runId={runId} state={state} />
        </div>
      </div>
      <div class="run-grid even">
        <EpochTable state={state} />
        <EventLog state={state} />
      </div>
      <Parameters state={state} />
    </>
  );
}
