/** How something that cannot be granted is told: a reason of the contract, its status code, typed details. */
import { getOption } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Retry, reason as reasonOption } from "@catenary/contract/catenary/contract/v1/options_pb";
import { ErrorReason, ErrorReasonSchema } from "@catenary/contract/catenary/v1/error_pb";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "@catenary/contract/google/rpc/error_details_pb";
import type { Violation } from "./contract.js";

const DOMAIN = "catenary";
const MOST_VIOLATIONS = 20;

/** What a failure tells beside its reason. */
export interface Details {
  violations?: Violation[];
  resource?: { type: string; name: string };
  metadata?: Record<string, string>;
  retryAfterSeconds?: number;
}

/** A call that is refused, for a reason of the contract. The code follows from the reason. */
export class Failure extends ConnectError {
  constructor(
    readonly reason: ErrorReason,
    message: string,
    details: Details = {},
  ) {
    super(message, contractOf(reason).code, undefined, detailsOf(reason, details));
  }
}

/** The name of a reason as ErrorInfo carries it. */
function reasonName(reason: ErrorReason): string {
  return ErrorReasonSchema.value[reason]!.localName.replace(/^ERROR_REASON_/, "");
}

/** The code that goes with a reason, and whether a client may try again. */
function contractOf(reason: ErrorReason): { code: Code; retry: Retry } {
  const { code, retry } = getOption(ErrorReasonSchema.value[reason]!, reasonOption);
  return { code: code as number as Code, retry };
}

function detailsOf(reason: ErrorReason, details: Details): ConstructorParameters<typeof ConnectError>[3] {
  const { code, retry } = contractOf(reason);
  const metadata = { retryable: String(retry !== Retry.NEVER), ...details.metadata };
  const found: NonNullable<ConstructorParameters<typeof ConnectError>[3]> = [
    { desc: ErrorInfoSchema, value: { reason: reasonName(reason), domain: DOMAIN, metadata } },
  ];
  const violations = (details.violations ?? []).slice(0, MOST_VIOLATIONS);
  if (violations.length > 0) found.push(violationDetail(reason, code, violations));
  if (details.resource !== undefined) {
    found.push({
      desc: ResourceInfoSchema,
      value: { resourceType: details.resource.type, resourceName: details.resource.name },
    });
  }
  if (details.retryAfterSeconds !== undefined) {
    found.push({ desc: RetryInfoSchema, value: { retryDelay: { seconds: BigInt(details.retryAfterSeconds) } } });
  }
  return found;
}

function violationDetail(reason: ErrorReason, code: Code, violations: Violation[]) {
  if (code === Code.InvalidArgument) return { desc: BadRequestSchema, value: { fieldViolations: violations } };
  const subjects = violations.map(({ field, description }) => ({ subject: field, description }));
  if (code === Code.ResourceExhausted) return { desc: QuotaFailureSchema, value: { violations: subjects } };
  const typed = subjects.map((each) => ({ type: reasonName(reason), ...each }));
  return { desc: PreconditionFailureSchema, value: { violations: typed } };
}

/** The request breaks field rules. */
export function fieldInvalid(violations: Violation[]): Failure {
  const text = violations.map((each) => `${each.field}: ${each.description}`).join("; ");
  return new Failure(ErrorReason.FIELD_INVALID, text.slice(0, 400), { violations });
}
