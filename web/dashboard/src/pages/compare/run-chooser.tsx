/** Which runs are compared: those chosen, and a search for more. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import type { RunView } from "../../model/run";
import { Swatch } from "../../parts/chart/legend";
import { formatAgo } from "../../parts/format";
import { Icon } from "../../parts/icon";
import { SearchField, found } from "../../parts/search-field";
import { StatusBadge } from "../../parts/status-badge";
import { MOST_RUNS } from "./choice";
import { lookOf } from "./look";

const MOST_SHOWN = 50;

interface RunChooserProps {
  readonly runs: readonly RunView[];
  readonly chosen: readonly string[];
  readonly onToggle: (id: string) => void;
}

export function RunChooser({ runs, chosen, onToggle }: RunChooserProps): JSX.Element {
  const [search, setSearch] = useState("");
  const [open, setOpen] = useState(chosen.length < 2);
  const byId = new Map(runs.map((run) => [run.id, run]));
  const fitting = runs.filter((run) => found(search, textsOf(run)));
  const full = chosen.length >= MOST_RUNS;
  return (
    <section class="panel" aria-label="Runs to compare">
      <div class="panel-head">
        <ul class="chosen" aria-label="Chosen runs">
          {chosen.map((id, index) => (
            <li key={id}>
              <Swatch source={lookOf(index)} />
              <span class="chosen-name">{nameOf(byId.get(id), id)}</span>
              <button type="button" class="icon-button compact" aria-label={`Remove ${nameOf(byId.get(id), id)}`} onClick={() => onToggle(id)}>
                <Icon name="cross" size={13} />
              </button>
            </li>
          ))}
        </ul>
        <button type="button" class="button" aria-expanded={open} aria-controls="run-choice" onClick={() => setOpen(!open)}>
          <Icon name={open ? "up" : "plus"} size={13} />
          {open ? "Close the list" : "Choose runs"}
        </button>
      </div>
      {open && (
        <div class="panel-body stack" id="run-choice">
          <div class="row">
            <SearchField label="Search runs, models and tags" value={search} onChange={setSearch} />
          </div>
          {full && <p class="small muted">More than {MOST_RUNS} curves cannot be told apart: remove one first.</p>}
          <ul class="choice-list">
            {fitting.slice(0, MOST_SHOWN).map((run) => (
              <Option key={run.id} run={run} checked={chosen.includes(run.id)} full={full} onToggle={onToggle} />
            ))}
          </ul>
          {fitting.length > MOST_SHOWN && (
            <p class="small muted">
              {fitting.length - MOST_SHOWN} more fit: search for them.
            </p>
          )}
          {fitting.length === 0 && <p class="small muted">No run has all of these words.</p>}
        </div>
      )}
    </section>
  );
}

interface OptionProps {
  readonly run: RunView;
  readonly checked: boolean;
  readonly full: boolean;
  readonly onToggle: (id: string) => void;
}

function Option({ run, checked, full, onToggle }: OptionProps): JSX.Element {
  return (
    <li>
      <label class="choice">
        <input type="checkbox" checked={checked} disabled={full && !checked} onChange={() => onToggle(run.id)} />
        <span class="choice-name">
          {run.model || run.client || "run"} <span class="mono muted">{run.id}</span>
        </span>
        <StatusBadge status={run.status} />
        <span class="small muted numbers choice-age">{formatAgo(run.createdAt, Date.now())}</span>
        <span class="chips">
          {run.tags.map(({ name, value }) => (
            <span key={name} class="chip">{`${name} ${value}`}</span>
          ))}
        </span>
      </label>
    </li>
  );
}

/** What a run is called in a chart: by its program, or by its model where the server trained it, and the end of its id. */
export function nameOf(run: RunView | undefined, id: string): string {
  const [program = ""] = run?.client.split(" ") ?? [];
  const name = program === "" || program.startsWith("catenary") ? (run?.model ?? "") : program;
  return name === "" ? id : `${name} \u00b7 ${id.slice(-6)}`;
}

function textsOf(run: RunView): string[] {
  return [run.id, run.model, run.dataset, run.client, run.status, ...run.tags.flatMap(({ name, value }) => [name, value])];
}
