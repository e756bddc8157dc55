/** What happened to a run: status, epochs, commands, results, gaps. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { formatTime } from "../../parts/format";
import { Icon, type IconName } from "../../parts/icon";
import { SearchField, found } from "../../parts/search-field";
import type { LogKind, LogLine } from "../../watch/view";
import type { RunState } from "./run-state";

const SHOWN = 200;

const LOOKS: Readonly<Record<LogKind, readonly [icon: IconName, text: string]>> = {
  status: ["live", "Status"],
  epoch: ["check", "Epoch"],
  command: ["send", "Command"],
  result: ["reset", "Result"],
  gap: ["warning", "Gap"],
  writer: ["linked", "Connection"],
};

export function EventLog({ state }: { state: RunState }): JSX.Element {
  const [search, setSearch] = useState("");
  const [most, setMost] = useState(SHOWN);
  const lines = state.log.value.filter((line) => found(search, [line.kind, line.text]));
  const shown = lines.slice(-most).reverse();
  return (
    <section class="panel" aria-label="Event log">
      <div class="panel-head">
        <h2>Log</h2>
        <SearchField label="Search the log" value={search} onChange={setSearch} />
      </div>
      {shown.length === 0 ? (
        <p class="panel-body muted small">{search === "" ? "Nothing has happened yet" : "No line fits"}</p>
      ) : (
        <div class="run-scroll" tabIndex={0} role="region" aria-label="Lines of the log, newest first">
          <ol class="log">
            {shown.map((line) => (
              <LogRow key={line.sequence} line={line} />
            ))}
          </ol>
          {lines.length > shown.length && (
            <button type="button" class="button compact log-more" onClick={() => setMost(most + 5 * SHOWN)}>
              Show older ones
            </button>
          )}
        </div>
      )}
    </section>
  );
}

function LogRow({ line }: { line: LogLine }): JSX.Element {
  const [icon, kind] = LOOKS[line.kind];
  return (
    <li data-tone={line.tone}>
      <time class="numbers muted">{line.at > 0 ? formatTime(line.at) : ""}</time>
      <span class="log-kind">
        <Icon name={icon} size={13} />
        {kind}
      </span>
      <span class="log-text">{line.text}</span>
    </li>
  );
}
