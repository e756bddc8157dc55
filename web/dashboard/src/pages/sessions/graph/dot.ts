/** Reads pipelines in DOT, in the form in which Catenary servers write it: one statement a line, every name quoted. */

/** A node of a pipeline. */
export interface PipelineNode {
  readonly name: string;
  readonly className: string;
}

/** A connection between two nodes. */
export interface PipelineEdge {
  readonly source: string;
  readonly target: string;
  /** The ports that it joins, `output` or `output -> input` with an arrow. */
  readonly ports: string;
}

export interface PipelineGraph {
  /** In the order in which the pipeline runs them. */
  readonly nodes: readonly PipelineNode[];
  readonly edges: readonly PipelineEdge[];
}

const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;
const NODE = new RegExp(String.raw`^\s*${QUOTED}\s*\[label=${QUOTED}`);
const EDGE = new RegExp(String.raw`^\s*${QUOTED}\s*->\s*${QUOTED}(?:\s*\[label=${QUOTED})?`);

/** The pipeline; undefined where the text is DOT of another form. */
export function readDot(text: string): PipelineGraph | undefined {
  const nodes: PipelineNode[] = [];
  const edges: PipelineEdge[] = [];
  for (const line of text.split("\n")) {
    const edge = EDGE.exec(line);
    const node = edge === null ? NODE.exec(line) : null;
    if (edge !== null) {
      edges.push({ source: plain(edge[1]), target: plain(edge[2]), ports: plain(edge[3]) });
    } else if (node !== null) {
      const [, className = ""] = (node[2] ?? "").split("\\n");
      nodes.push({ name: plain(node[1]), className: plain(className) });
    }
  }
  const names = new Set(nodes.map((node) => node.name));
  const whole = edges.every((edge) => names.has(edge.source) && names.has(edge.target));
  return nodes.length > 0 && whole ? { nodes, edges } : undefined;
}

function plain(quoted = ""): string {
  return quoted.replace(/\\(.)/g, "$1");
}
