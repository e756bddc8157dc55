/** A pipeline drawn from top to bottom. The table beside it says the same, and is what keyboards and screen readers use. */
import { useMemo } from "preact/hooks";
import type { JSX } from "preact";
import type { PipelineGraph } from "./dot";
import { placeGraph, type PlacedEdge, type PlacedNode } from "./layers";
import type { NodeTypeView } from "./node-types";

const SIZES = { nodeWidth: 168, nodeHeight: 46, gapX: 20, gapY: 46, passing: 14 };
const MARGIN = 8;
const LONGEST_NAME = 20;
const LONGEST_CLASS = 25;
const ARROW = 5;

interface GraphDrawingProps {
  readonly graph: PipelineGraph;
  readonly types: ReadonlyMap<string, NodeTypeView>;
  readonly selected: string | undefined;
  readonly onSelect: (name: string | undefined) => void;
}

export function GraphDrawing({ graph, types, selected, onSelect }: GraphDrawingProps): JSX.Element {
  const placed = useMemo(() => placeGraph(graph, SIZES), [graph]);
  const width = placed.width + 2 * MARGIN;
  const height = placed.height + 2 * MARGIN;
  const classes = new Map(graph.nodes.map((node) => [node.name, node.className]));
  return (
    <div class="graph-scroll" tabIndex={0} role="region" aria-label="Drawing of the pipeline">
      <svg
        class="graph"
        width={width}
        height={height}
        viewBox={`${-MARGIN} ${-MARGIN} ${width} ${height}`}
        role="img"
        aria-label={`${graph.nodes.length} nodes and ${graph.edges.length} connections; the table of nodes lists them`}
      >
        {placed.edges.map((edge, index) => (
          <Connection key={index} placed={edge} selected={selected} />
        ))}
        {placed.nodes.map((node) => (
          <Box
            key={node.name}
            node={node}
            className={classes.get(node.name) ?? ""}
            role={types.get(classes.get(node.name) ?? "")?.role ?? ""}
            selected={node.name === selected}
            onSelect={onSelect}
          />
        ))}
      </svg>
    </div>
  );
}

function Connection({ placed, selected }: { placed: PlacedEdge; selected: string | undefined }): JSX.Element {
  const { edge, points } = placed;
  const lit = selected !== undefined && (edge.source === selected || edge.target === selected);
  const [x, y] = points[points.length - 1] ?? [0, 0];
  const [midX, midY] = labelPlace(points);
  return (
    <g class="graph-edge" data-lit={lit} data-dim={selected !== undefined && !lit}>
      <path d={curve(points)} />
      <path class="graph-arrow" d={`M${x - ARROW} ${y - ARROW * 1.6}L${x} ${y}L${x + ARROW} ${y - ARROW * 1.6}`} />
      {lit && (
        <text x={midX} y={midY} text-anchor="middle">
          {edge.ports}
        </text>
      )}
      <title>{`${edge.source} to ${edge.target}: ${edge.ports}`}</title>
    </g>
  );
}

interface BoxProps {
  readonly node: PlacedNode;
  readonly className: string;
  readonly role: string;
  readonly selected: boolean;
  readonly onSelect: (name: string | undefined) => void;
}

function Box({ node, className, role, selected, onSelect }: BoxProps): JSX.Element {
  const { nodeWidth, nodeHeight } = SIZES;
  return (
    <g
      class="graph-node"
      data-role={role}
      data-selected={selected}
      transform={`translate(${node.x - nodeWidth / 2} ${node.y - nodeHeight / 2})`}
      onClick={() => onSelect(selected ? undefined : node.name)}
    >
      <title>{`${node.name}: ${className}`}</title>
      <rect width={nodeWidth} height={nodeHeight} rx={9} />
      <text class="graph-name" x={nodeWidth / 2} y={20} text-anchor="middle">
        {shortened(node.name, LONGEST_NAME)}
      </text>
      <text class="graph-class" x={nodeWidth / 2} y={35} text-anchor="middle">
        {shortened(className, LONGEST_CLASS)}
      </text>
    </g>
  );
}

type Point = readonly [x: number, y: number];

/** A path that leaves and enters every point straight down. */
function curve(points: readonly Point[]): string {
  return points
    .map(([x, y], index) => {
      const before = points[index - 1];
      if (before === undefined) {
        return `M${x} ${y}`;
      }
      const middle = (before[1] + y) / 2;
      return `C${before[0]} ${middle} ${x} ${middle} ${x} ${y}`;
    })
    .join("");
}

/** Between the layers, where no node is: just above the target. */
function labelPlace(points: readonly Point[]): Point {
  const [last, before] = [points[points.length - 1] ?? [0, 0], points[points.length - 2] ?? [0, 0]];
  const height = points.length > 2 ? SIZES.gapY / 2 : (last[1] - before[1]) / 2;
  return [points.length > 2 ? last[0] : (last[0] + before[0]) / 2, last[1] - height + 4];
}

function shortened(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}\u2026` : text;
}
