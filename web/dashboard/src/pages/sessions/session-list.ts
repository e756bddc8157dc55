/** The sessions of the server, and the server itself. */
import { discovery, sessions } from "./calls";
import { serverView, sessionView, type ServerView, type SessionView } from "./session";

const PAGE_SIZE = 500;

/** All sessions of the caller, newest first. A list leaves their expiry as it is: looking holds no session open. */
export async function listSessions(signal: AbortSignal): Promise<readonly SessionView[]> {
  const found: SessionView[] = [];
  let pageToken = "";
  do {
    const page = await sessions.listSessions({ pageSize: PAGE_SIZE, pageToken }, { signal });
    found.push(...page.sessions.map(sessionView));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return found.reverse();
}

/** What the server is. */
export async function describeServer(signal: AbortSignal): Promise<ServerView> {
  return serverView(await discovery.getServerInfo({}, { signal }));
}
