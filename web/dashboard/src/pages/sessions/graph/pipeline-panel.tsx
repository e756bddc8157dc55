/** The pipeline of a session: drawn, and as a table of its nodes. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import { EmptyState } from "../../../parts/empty-state";
import { Problem } from "../../../parts/problem";
import { CallFailed } from "../../../rpc/fault";
import { discovery, pipelines } from "../calls";
import { readDot, type PipelineGraph } from "./dot";
import { GraphDrawing } from "./graph-drawing";
import { NodeDetails, NodeTable } from "./node-table";
import { nodeTypes, type NodeTypeView } from "./node-types";
import "./graph.css";

interface Loaded {
  readonly graph: PipelineGraph | undefined;
  /** Address of a drawing by the server, where the graph itself could not be read. */
  readonly image: string | undefined;
  readonly types: ReadonlyMap<string, NodeTypeView>;
}

interface PipelinePanelProps {
  readonly sessionId: string;
  /** Empty while none is loaded; another name loads the drawing anew. */
  readonly pipelineName: string;
}

export function PipelinePanel({ sessionId, pipelineName }: PipelinePanelProps): JSX.Element {
  const [loaded, setLoaded] = useState<Loaded>();
  const [problem, setProblem] = useState<unknown>();
  const [selected, select] = useState<string>();
  useEffect(() => {
    const abort = new AbortController();
    setLoaded(undefined);
    setProblem(undefined);
    if (pipelineName !== "") {
      load(sessionId, abort.signal).then(
        (found) => !abort.signal.aborted && setLoaded(found),
        (error: unknown) => !abort.signal.aborted && setProblem(error),
      );
    }
    return () => abort.abort();
  }, [sessionId, pipelineName]);
  useEffect(() => {
    const image = loaded?.image;
    return () => (image === undefined ? undefined : URL.revokeObjectURL(image));
  }, [loaded]);
  return (
    <section class="panel" aria-labelledby="pipeline-title">
      <div class="panel-head">
        <h2 id="pipeline-title">Pipeline {pipelineName !== "" && <span class="muted">{pipelineName}</span>}</h2>
      </div>
      <div class="panel-body">
        {pipelineName === "" && <EmptyState title="No pipeline is loaded yet">A training or a client loads one.</EmptyState>}
        {problem !== undefined && <Problem title="The pipeline cannot be drawn" error={problem} />}
        {loaded !== undefined && <Shown {...loaded} pipelineName={pipelineName} selected={selected} onSelect={select} />}
      </div>
    </section>
  );
}

interface ShownProps extends Loaded {
  readonly pipelineName: string;
  readonly selected: string | undefined;
  readonly onSelect: (name: string | undefined) => void;
}

function Shown({ graph, image, types, pipelineName, selected, onSelect }: ShownProps): JSX.Element {
  if (graph === undefined) {
    return <img class="graph-image" src={image} alt={`Drawing of the pipeline ${pipelineName} by the server`} />;
  }
  const className = graph.nodes.find((node) => node.name === selected)?.className ?? "";
  const type = types.get(className);
  return (
    <div class="graph-columns">
      <GraphDrawing graph={graph} types={types} selected={selected} onSelect={onSelect} />
      <div class="stack">
        <NodeTable graph={graph} types={types} selected={selected} onSelect={onSelect} />
        {selected !== undefined && type !== undefined && <NodeDetails name={selected} type={type} />}
      </div>
    </div>
  );
}

async function load(sessionId: string, signal: AbortSignal): Promise<Loaded> {
  const [{ imageData }, types] = await Promise.all([
    pipelines.getPipelineVisualization({ sessionId, format: "dot" }, { signal }),
    typesOf(sessionId, signal),
  ]);
  const graph = readDot(new TextDecoder().decode(imageData));
  if (graph !== undefined) {
    return { graph, image: undefined, types };
  }
  const drawn = await pipelines.getPipelineVisualization({ sessionId, format: "svg" }, { signal });
  const image = URL.createObjectURL(new Blob([drawn.imageData as Uint8Array<ArrayBuffer>], { type: "image/svg+xml" }));
  return { graph, image, types };
}

/** Types of nodes; without the right to ask for them the graph is drawn all the same. */
async function typesOf(sessionId: string, signal: AbortSignal): Promise<ReadonlyMap<string, NodeTypeView>> {
  try {
    const { nodes } = await discovery.listAvailableNodes({ sessionId }, { signal });
    return nodeTypes(nodes);
  } catch (error) {
    if (error instanceof CallFailed && error.fault.code === "PERMISSION_DENIED") {
      return new Map();
    }
    throw error;
  }
}
