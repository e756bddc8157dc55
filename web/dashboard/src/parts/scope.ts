import { connection } from "../rpc/port";

/**
 * Whether the token of this tab has a scope. The server decides in any case; pages say beforehand what it would refuse.
 * While there is no connection nothing is known, and nothing is refused here.
 */
export function useScope(scope: string): boolean {
  const now = connection.value;
  return now.phase !== "live" || now.scopes.includes(scope);
}
