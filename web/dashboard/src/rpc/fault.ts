/** Why a call failed, as a plain object; and the error that the page throws for it. */

/** A field that broke a rule. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** Why a call failed. */
export interface Fault {
  /** gRPC status code by its name, such as `NOT_FOUND`. */
  readonly code: string;
  /** Reason by its name, such as `RUN_NOT_FOUND`; empty where the server gave none. */
  readonly reason: string;
  /** What went wrong, for people. */
  readonly message: string;
  readonly violations: readonly Violation[];
}

/** A call that failed. */
export class CallFailed extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message || fault.reason || fault.code);
    this.name = "CallFailed";
    this.fault = fault;
  }
}

/** A fault that the page itself found. */
export function localFault(code: string, message: string): Fault {
  return { code, reason: "", message, violations: [] };
}

/** What to tell people of anything that was thrown: one line, with the reason's name where there is one. */
export function explain(error: unknown): string {
  if (error instanceof CallFailed) {
    const { message, reason, code } = error.fault;
    return message === "" ? reason || code : message;
  }
  return error instanceof Error ? error.message : String(error);
}
