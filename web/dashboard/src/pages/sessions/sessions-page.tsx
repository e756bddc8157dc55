/** The server and its sessions. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { sessionPath } from "../../app/paths";
import { Link } from "../../app/router";
import { DataTable, type Column } from "../../parts/data-table";
import { EmptyState } from "../../parts/empty-state";
import { formatAgo, formatDuration } from "../../parts/format";
import { Problem } from "../../parts/problem";
import { SearchField, found } from "../../parts/search-field";
import { useTitle } from "../../parts/title";
import { CallFailed } from "../../rpc/fault";
import { usePolled } from "./polling";
import { ServerPanel } from "./server-panel";
import type { SessionView } from "./session";
import { SessionBadge } from "./session-state";
import { describeServer, listSessions } from "./session-list";
import "./sessions.css";

const EVERY_MS = 2_000;

const COLUMNS: readonly Column<SessionView>[] = [
  {
    key: "id",
    title: "Session",
    rowHeader: true,
    sortBy: (session) => session.id,
    cell: (session) => (
      <>
        <Link href={sessionPath(session.id)} class="mono">
          {session.id.slice(0, 12)}
          <span class="visually-hidden">{session.id.slice(12)}</span>
          {"\u2026"}
        </Link>
        <span class="chips">
          {session.labels.map(({ name, value }) => (
            <span key={name} class="chip">{`${name} ${value}`}</span>
          ))}
        </span>
      </>
    ),
  },
  { key: "state", title: "State", sortBy: (session) => session.state, cell: (session) => <SessionBadge state={session.state} /> },
  { key: "pipeline", title: "Pipeline", sortBy: (session) => session.pipeline, cell: (session) => session.pipeline || "\u2013" },
  { key: "device", title: "Device", sortBy: (session) => session.device, cell: (session) => session.device, wideOnly: true },
  {
    key: "created",
    title: "Opened",
    numeric: true,
    sortBy: (session) => session.createdAt,
    cell: (session) => formatAgo(session.createdAt, Date.now()),
  },
  {
    key: "expires",
    title: "Closes",
    numeric: true,
    wideOnly: true,
    sortBy: (session) => session.expiresAt ?? Infinity,
    cell: closing,
  },
];

export function SessionsPage(): JSX.Element {
  useTitle("Sessions");
  const [search, setSearch] = useState("");
  const server = usePolled(describeServer, EVERY_MS);
  const listed = usePolled(listSessions, EVERY_MS);
  const count = listed.value?.length ?? 0;
  return (
    <section class="page">
      <div class="row apart">
        <h1>Sessions</h1>
        {count > 0 && <SearchField label="Search sessions" value={search} onChange={setSearch} />}
      </div>
      {server.value !== undefined && <ServerPanel server={server.value} />}
      {listed.error !== undefined && <NotListed error={listed.error} onRetry={listed.refresh} />}
      {listed.value !== undefined && <SessionTable sessions={listed.value} search={search} />}
    </section>
  );
}

/** Why there is no list. A server that takes telemetry alone has no sessions, and that is no fault. */
function NotListed({ error, onRetry }: { error: unknown; onRetry: () => void }): JSX.Element {
  if (error instanceof CallFailed && error.fault.code === "UNIMPLEMENTED") {
    return (
      <EmptyState title="This server has no sessions" commands={["catenary serve"]}>
        It takes telemetry alone. One that trains and infers as well is started without <code>--only telemetry</code>.
      </EmptyState>
    );
  }
  return <Problem title="The sessions cannot be listed" error={error} onRetry={onRetry} />;
}

function SessionTable({ sessions, search }: { sessions: readonly SessionView[]; search: string }): JSX.Element {
  const shown = sessions.filter((session) => found(search, textsOf(session)));
  if (sessions.length === 0) {
    return (
      <EmptyState title="No session is open" commands={["catenary train deep_svdd", "nox -s demo"]}>
        A session is a client&rsquo;s own place on this server, with a pipeline and a worker process. Training opens one.
      </EmptyState>
    );
  }
  return (
    <div class="panel">
      <DataTable caption="Sessions" columns={COLUMNS} rows={shown} rowKey={(session) => session.id} />
      {shown.length === 0 && <p class="panel-body muted">No session has all of these words.</p>}
    </div>
  );
}

function closing({ expiresAt }: SessionView): string {
  return expiresAt === undefined ? "held open" : `in ${formatDuration(Math.max(0, (expiresAt - Date.now()) / 1000))}`;
}

function textsOf(session: SessionView): string[] {
  const labels = session.labels.flatMap(({ name, value }) => [name, value]);
  return [session.id, session.state, session.pipeline, session.device, ...labels];
}
