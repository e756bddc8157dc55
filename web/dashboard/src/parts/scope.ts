import { connection } from "../rpc/port";

/**
 * Whether the token of this tab has a scope. The server decides in any case; pages say beforehand what it would refuse.
 * While there is no connection nothing is known, and nothing is refused here.
 */
export function useScope(scope: string): boolean {
  const now = connection.value;
  return now.phase !== "live" || permits(now.scopes, scope);
}

/** Whether scopes such as `telemetry.read`, `*.read` or `*.*` include one. */
export function permits(granted: readonly string[], scope: string): boolean {
  const [area, access] = scope.split(".");
  return granted.some((each) => {
    const [grantedArea, grantedAccess] = each.split(".");
    return (grantedArea === "*" || grantedArea === area) && (grantedAccess === "*" || grantedAccess === access);
  });
}
