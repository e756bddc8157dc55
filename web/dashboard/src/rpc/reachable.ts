/**
 * Whether the server answers at all.
 *
 * Browsers slow WebSockets down that failed often, by up to five seconds each; a plain request is not. So the page asks
 * by one of these until there is somebody to connect to.
 */

const PATIENCE_MS = 2_000;

/** Resolves to whether any answer came within the time given. */
export async function reachable(url: string, patienceMs = PATIENCE_MS): Promise<boolean> {
  try {
    await fetch(url, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(patienceMs) });
    return true;
  } catch {
    return false;
  }
}
