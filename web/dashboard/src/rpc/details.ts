/** Reads the details of a status. */
import { fromBinary } from "@bufbuild/protobuf";
import { BadRequestSchema, ErrorInfoSchema } from "@catenary/contract/google/rpc/error_details_pb";
import type { Violation } from "./fault";

/** A packed detail: the name of its type without a host, and its bytes. */
export interface Detail {
  readonly type: string;
  readonly value: Uint8Array;
}

/** The reason by its name, from the first detail that has one; empty if none has. */
export function reasonOf(details: readonly Detail[]): string {
  const info = details.find((detail) => detail.type === ErrorInfoSchema.typeName);
  return info === undefined ? "" : fromBinary(ErrorInfoSchema, info.value).reason;
}

/** The fields that broke a rule. */
export function violationsOf(details: readonly Detail[]): Violation[] {
  return details
    .filter((detail) => detail.type === BadRequestSchema.typeName)
    .flatMap((detail) => fromBinary(BadRequestSchema, detail.value).fieldViolations)
    .map(({ field, description }) => ({ field, description }));
}
