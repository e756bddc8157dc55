/** One session: its pipeline, its training, inference on a scene, and where the time goes. */
import { useCallback, useState } from "preact/hooks";
import type { JSX } from "preact";
import { SESSIONS_PATH } from "../../app/paths";
import { Link, go, type PageProps } from "../../app/router";
import { Confirm } from "../../parts/dialog";
import { EmptyState } from "../../parts/empty-state";
import { formatAgo, formatDuration } from "../../parts/format";
import { Icon } from "../../parts/icon";
import { Problem } from "../../parts/problem";
import { useScope } from "../../parts/scope";
import { useTitle } from "../../parts/title";
import { sessions } from "./calls";
import { PipelinePanel } from "./graph/pipeline-panel";
import { usePolled } from "./polling";
import { PreviewPanel } from "./preview/preview-panel";
import { ProfilingPanel } from "./profiling/profiling-panel";
import type { SessionView } from "./session";
import { SessionBadge } from "./session-state";
import { listSessions } from "./session-list";
import { TrainingPanel } from "./training/training-panel";
import "./sessions.css";

const EVERY_MS = 1_000;

export function SessionPage({ params }: PageProps): JSX.Element {
  const id = params["id"] ?? "";
  useTitle(`Session ${id.slice(0, 8)}`);
  const listed = usePolled(listSessions, EVERY_MS);
  const session = listed.value?.find((each) => each.id === id);
  const [inferences, setInferences] = useState(0);
  const inferred = useCallback(() => setInferences((before) => before + 1), []);
  if (listed.value !== undefined && session === undefined) {
    return <Gone id={id} />;
  }
  return (
    <section class="page">
      <Link href={SESSIONS_PATH} class="small back">
        <Icon name="left" size={12} /> Sessions
      </Link>
      {listed.error !== undefined && <Problem title="The session cannot be read" error={listed.error} onRetry={listed.refresh} />}
      {session !== undefined && (
        <>
          <Head session={session} />
          {session.failure !== "" && <Problem title="The session failed" error={new Error(session.failure)} />}
          <PipelinePanel sessionId={id} pipelineName={session.pipeline} />
          <TrainingPanel sessionId={id} runId={session.runId} />
          <PreviewPanel sessionId={id} ready={session.pipeline !== ""} onInferred={inferred} />
          <ProfilingPanel sessionId={id} ready={session.pipeline !== ""} inferences={inferences} />
        </>
      )}
    </section>
  );
}

function Head({ session }: { session: SessionView }): JSX.Element {
  const { expiresAt } = session;
  return (
    <header class="stack">
      <div class="row apart">
        <div class="row">
          <h1>
            Session <span class="mono session-id">{session.id}</span>
          </h1>
          <SessionBadge state={session.state} />
        </div>
        <CloseButton id={session.id} />
      </div>
      <div class="row small muted">
        <span>on {session.device}</span>
        <span>opened {formatAgo(session.createdAt, Date.now())}</span>
        <span>
          {expiresAt === undefined
            ? "held open by its training"
            : `closes in ${formatDuration(Math.max(0, (expiresAt - Date.now()) / 1000))} unless it is used`}
        </span>
        <span class="chips">
          {session.labels.map(({ name, value }) => (
            <span key={name} class="chip">{`${name} ${value}`}</span>
          ))}
        </span>
      </div>
    </header>
  );
}

function CloseButton({ id }: { id: string }): JSX.Element {
  const allowed = useScope("session.write");
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const close = (): void => {
    sessions.closeSession({ sessionId: id }).then(() => go(SESSIONS_PATH), setProblem);
  };
  return (
    <div>
      <button
        type="button"
        class="button danger"
        disabled={!allowed}
        title={allowed ? undefined : "Your token lacks the scope session.write"}
        onClick={() => setAsking(true)}
      >
        Close session
      </button>
      {problem !== undefined && <Problem title="The session was not closed" error={problem} />}
      {asking && (
        <Confirm
          title="Close this session?"
          text="Its training stops, and a pipeline that was not saved is lost."
          action="Close session"
          onConfirm={close}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  );
}

function Gone({ id }: { id: string }): JSX.Element {
  return (
    <section class="page">
      <h1>Session</h1>
      <EmptyState title="There is no such session">
        <span class="mono">{id}</span> is closed, has expired, or belongs to somebody else.{" "}
        <Link href={SESSIONS_PATH}>All sessions</Link>
      </EmptyState>
    </section>
  );
}
