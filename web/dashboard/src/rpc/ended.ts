/** How a stream ended, as a plain object. */
import type { Ended } from "@catenary/contract/catenary/dashboard/v1/frame_pb";
import { Code } from "@catenary/contract/google/rpc/code_pb";
import { reasonOf, violationsOf } from "./details";
import type { Fault } from "./fault";

/** Why it failed; undefined with OK. */
export function faultOf(ended: Ended): Fault | undefined {
  if (ended.code === Code.OK) {
    return undefined;
  }
  const details = ended.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return {
    code: Code[ended.code],
    reason: reasonOf(details),
    message: ended.message,
    violations: violationsOf(details),
  };
}
