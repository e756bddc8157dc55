/** The contract as data: its image holds what the stubs leave out, the field rules. */
import { type DescMessage, type Message, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import image from "../../../python/contract/src/catenary/contract.binpb";

/** One rule that a message breaks, with the path of the field. */
export interface Violation {
  field: string;
  description: string;
}

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
const validator = createValidator({ registry });

/** What breaks a field rule; nothing if the message keeps all of them. */
export function violations(schema: DescMessage, message: Message): Violation[] {
  const ruled = registry.getMessage(schema.typeName);
  if (ruled === undefined) throw new Error(`${schema.typeName} is not in the image of the contract`);
  const result = validator.validate(ruled, fromBinary(ruled, toBinary(schema, message)));
  if (result.kind === "valid") return [];
  if (result.kind === "error") throw result.error;
  return result.violations.map((each) => ({ field: pathToString(each.field), description: each.message }));
}
