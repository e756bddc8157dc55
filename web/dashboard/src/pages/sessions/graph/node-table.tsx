/** The nodes of a pipeline as a table, and one of them in full. */
import type { JSX } from "preact";
import { DataTable, type Column } from "../../../parts/data-table";
import type { PipelineGraph, PipelineNode } from "./dot";
import type { NodeTypeView, PortView } from "./node-types";

interface NodeTableProps {
  readonly graph: PipelineGraph;
  readonly types: ReadonlyMap<string, NodeTypeView>;
  readonly selected: string | undefined;
  readonly onSelect: (name: string | undefined) => void;
}

export function NodeTable({ graph, types, selected, onSelect }: NodeTableProps): JSX.Element {
  const columns: readonly Column<PipelineNode>[] = [
    {
      key: "name",
      title: "Node",
      rowHeader: true,
      cell: ({ name }) => (
        <button
          type="button"
          class="link-button"
          aria-pressed={name === selected}
          onClick={() => onSelect(name === selected ? undefined : name)}
        >
          {name}
        </button>
      ),
    },
    {
      key: "type",
      title: "Type",
      cell: ({ className }) => (
        <>
          <span class="mono">{className}</span> <span class="muted small">{types.get(className)?.role}</span>
        </>
      ),
    },
    { key: "from", title: "Takes from", cell: ({ name }) => sources(graph, name) },
  ];
  return (
    <DataTable
      caption="Nodes of the pipeline, in the order in which they run"
      columns={columns}
      rows={graph.nodes}
      rowKey={(node) => node.name}
      rowClass={(node) => (node.name === selected ? "graph-row-selected" : undefined)}
    />
  );
}

function sources({ edges }: PipelineGraph, name: string): string {
  const from = edges.filter((edge) => edge.target === name).map((edge) => `${edge.source} (${edge.ports})`);
  return from.length === 0 ? "the request" : from.join(", ");
}

/** What the server says of a node's type. */
export function NodeDetails({ name, type }: { name: string; type: NodeTypeView }): JSX.Element {
  return (
    <div class="node-details" aria-live="polite">
      <h3>
        {name} <span class="muted">{type.className}</span>
      </h3>
      <p class="small">{type.description}</p>
      {type.citation !== "" && <p class="small muted">{type.citation}</p>}
      <Ports title="Takes" ports={type.inputs} />
      <Ports title="Gives" ports={type.outputs} />
    </div>
  );
}

function Ports({ title, ports }: { title: string; ports: readonly PortView[] }): JSX.Element | null {
  if (ports.length === 0) {
    return null;
  }
  return (
    <dl class="ports small">
      <dt class="muted">{title}</dt>
      {ports.map((port) => (
        <dd key={port.name}>
          <span class="mono">{port.name}</span> <span class="muted">{port.takes}</span>
          {port.optional && <span class="muted"> optional</span>}
          {port.description !== "" && <span>: {port.description}</span>}
        </dd>
      ))}
    </dl>
  );
}
