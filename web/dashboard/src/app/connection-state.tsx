/** Whether the page hears the server, in words and by a mark. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import { connection, say } from "../rpc/port";
import { Icon, type IconName } from "../parts/icon";

/** The state of the connection; while it is lost, when the next attempt comes, and a button to try now. */
export function ConnectionState(): JSX.Element {
  const now = connection.value;
  const seconds = useSecondsUntil(now.phase === "waiting" ? now.retryAt : 0);
  const [icon, text] = describe(now.phase, seconds);
  return (
    <div class="connection" data-phase={now.phase} role="status">
      <Icon name={icon} />
      <span>{text}</span>
      {now.phase === "waiting" && seconds >= 2 && (
        <button type="button" class="link-button" onClick={() => say({ kind: "retry" })}>
          now
        </button>
      )}
    </div>
  );
}

function describe(phase: string, seconds: number): [IconName, string] {
  switch (phase) {
    case "live":
      return ["linked", "Connected"];
    case "refused":
      return ["lock", "Token needed"];
    case "waiting":
      return ["unlinked", seconds >= 2 ? `Reconnecting in ${seconds} s` : "Reconnecting"];
    default:
      return ["unlinked", "Connecting"];
  }
}

function useSecondsUntil(time: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (time > Date.now() + 1000) {
      const timer = setInterval(() => setNow(Date.now()), 500);
      return () => clearInterval(timer);
    }
    return undefined;
  }, [time]);
  return Math.max(0, Math.ceil((time - now) / 1000));
}
