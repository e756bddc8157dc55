/** What the server says of the types of a pipeline's nodes, as plain text and numbers. */
import { NodeCategory, type NodeInfo, type PortSpec } from "@catenary/contract/catenary/v1/node_pb";
import { DType } from "@catenary/contract/catenary/v1/tensor_pb";

/** A port as the page shows it. */
export interface PortView {
  readonly name: string;
  /** Element type and shape, such as `float32 [?, ?, 3]`. */
  readonly takes: string;
  readonly optional: boolean;
  readonly description: string;
}

/** A type of node. */
export interface NodeTypeView {
  readonly className: string;
  /** Its role in one word, such as `transform`; empty where the server gives none. */
  readonly role: string;
  readonly description: string;
  readonly citation: string;
  readonly inputs: readonly PortView[];
  readonly outputs: readonly PortView[];
}

/** The types by their class names. */
export function nodeTypes(infos: readonly NodeInfo[]): ReadonlyMap<string, NodeTypeView> {
  return new Map(infos.map((info) => [info.className, nodeType(info)]));
}

function nodeType(info: NodeInfo): NodeTypeView {
  const role = info.category === NodeCategory.UNSPECIFIED ? undefined : (NodeCategory[info.category] as string | undefined);
  return {
    className: info.className,
    role: (role ?? "").toLowerCase(),
    description: info.description,
    citation: info.citation,
    inputs: Object.values(info.inputSpecs).map(portView),
    outputs: Object.values(info.outputSpecs).map(portView),
  };
}

function portView({ name, dtype, shape, optional, description }: PortSpec): PortView {
  const element = dtype === DType.UNSPECIFIED ? "any" : (DType[dtype] as string | undefined) ?? "unknown";
  const sizes = shape.map((size) => (size < 0n ? "?" : String(size))).join(", ");
  return { name, takes: `${element.toLowerCase()} [${sizes}]`, optional, description };
}
