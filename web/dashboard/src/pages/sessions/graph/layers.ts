/**
 * Where the nodes of a pipeline stand: in layers from top to bottom, after Sugiyama, Tagawa & Toda (1981).
 *
 * A node stands one layer below the lowest of those it takes from. Within a layer nodes are ordered by the mean place
 * of their neighbours, some times down and up again, so that few connections cross. A connection over several layers
 * has a place in each layer between, so that it runs beside the nodes there and not through them.
 */
import type { PipelineEdge, PipelineGraph } from "./dot";

/** A node in its place; `x` and `y` are its centre. */
export interface PlacedNode {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

/** A connection and the points it runs through, from below its source to above its target. */
export interface PlacedEdge {
  readonly edge: PipelineEdge;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface PlacedGraph {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
}

/** Sizes to draw with, in CSS pixels. */
export interface Sizes {
  readonly nodeWidth: number;
  readonly nodeHeight: number;
  readonly gapX: number;
  readonly gapY: number;
  /** Width that a connection has where it passes a layer. */
  readonly passing: number;
}

interface Slot {
  readonly key: string;
  readonly width: number;
  readonly above: Slot[];
  readonly below: Slot[];
  order: number;
  x: number;
}

const SWEEPS = 8;

/** Place all nodes and connections. */
export function placeGraph(graph: PipelineGraph, sizes: Sizes): PlacedGraph {
  const depth = depths(graph);
  const { layers, slots, passages } = slotted(graph, depth, sizes);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : [...layers].reverse()) {
      order(layer, down ? "above" : "below");
    }
  }
  const width = spread(layers, sizes);
  const centre = (layer: number): number => layer * (sizes.nodeHeight + sizes.gapY) + sizes.nodeHeight / 2;
  const nodes = graph.nodes.map(({ name }) => ({ name, x: slots.get(name)?.x ?? 0, y: centre(depth.get(name) ?? 0) }));
  const edges = graph.edges.map((edge, index) => {
    const from = depth.get(edge.source) ?? 0;
    const to = depth.get(edge.target) ?? 0;
    const passed = (passages[index] ?? []).map((slot, step) => [slot.x, centre(from + 1 + step)] as const);
    const start = [slots.get(edge.source)?.x ?? 0, centre(from) + sizes.nodeHeight / 2] as const;
    const end = [slots.get(edge.target)?.x ?? 0, centre(to) - sizes.nodeHeight / 2] as const;
    return { edge, points: [start, ...passed, end] };
  });
  return { width, height: layers.length * (sizes.nodeHeight + sizes.gapY) - sizes.gapY, nodes, edges };
}

/** Layer of each node. The order of the nodes is one in which they can run, so one pass finds all. */
function depths({ nodes, edges }: PipelineGraph): Map<string, number> {
  const depth = new Map<string, number>();
  for (const { name } of nodes) {
    const sources = edges.filter((edge) => edge.target === name).map((edge) => depth.get(edge.source) ?? -1);
    depth.set(name, Math.max(-1, ...sources) + 1);
  }
  return depth;
}

function slotted(graph: PipelineGraph, depth: ReadonlyMap<string, number>, sizes: Sizes) {
  const layers: Slot[][] = Array.from({ length: Math.max(0, ...depth.values()) + 1 }, () => []);
  const slots = new Map<string, Slot>();
  const add = (layer: number, key: string, width: number): Slot => {
    const slot: Slot = { key, width, above: [], below: [], order: layers[layer]?.length ?? 0, x: 0 };
    layers[layer]?.push(slot);
    return slot;
  };
  for (const { name } of graph.nodes) {
    slots.set(name, add(depth.get(name) ?? 0, name, sizes.nodeWidth));
  }
  const passages = graph.edges.map(({ source, target }, index) => {
    const [from, to] = [depth.get(source) ?? 0, depth.get(target) ?? 0];
    const passed = Array.from({ length: Math.max(0, to - from - 1) }, (_, step) =>
      add(from + 1 + step, `${index}/${step}`, sizes.passing),
    );
    const chain = [slots.get(source), ...passed, slots.get(target)].filter((slot) => slot !== undefined);
    chain.forEach((slot, at) => {
      const next = chain[at + 1];
      if (next !== undefined) {
        slot.below.push(next);
        next.above.push(slot);
      }
    });
    return passed;
  });
  return { layers, slots, passages };
}

function order(layer: Slot[], side: "above" | "below"): void {
  const wanted = new Map(layer.map((slot) => [slot, mean(slot[side].map((each) => each.order)) ?? slot.order]));
  layer.sort((one, other) => (wanted.get(one) ?? 0) - (wanted.get(other) ?? 0) || one.order - other.order);
  layer.forEach((slot, index) => (slot.order = index));
}

/** Gives every slot its x, near its neighbours and clear of those beside it; returns the width of all. */
function spread(layers: readonly Slot[][], sizes: Sizes): number {
  for (const layer of layers) {
    let left = 0;
    for (const slot of layer) {
      slot.x = left + slot.width / 2;
      left += slot.width + sizes.gapX;
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : [...layers].reverse()) {
      pull(layer, down ? "above" : "below", sizes.gapX);
    }
  }
  const all = layers.flat();
  const left = Math.min(...all.map((slot) => slot.x - slot.width / 2));
  for (const slot of all) {
    slot.x -= left;
  }
  return Math.max(...all.map((slot) => slot.x + slot.width / 2));
}

/** Moves a layer's slots towards the middle of their neighbours without changing their order. */
function pull(layer: readonly Slot[], side: "above" | "below", gap: number): void {
  const wanted = layer.map((slot) => mean(slot[side].map((each) => each.x)) ?? slot.x);
  const fromLeft: number[] = [];
  const fromRight: number[] = [];
  layer.forEach((slot, index) => {
    const before = layer[index - 1];
    const least = before === undefined ? -Infinity : (fromLeft[index - 1] ?? 0) + (before.width + slot.width) / 2 + gap;
    fromLeft[index] = Math.max(wanted[index] ?? 0, least);
  });
  for (let index = layer.length - 1; index >= 0; index -= 1) {
    const [slot, after] = [layer[index], layer[index + 1]];
    if (slot !== undefined) {
      const most = after === undefined ? Infinity : (fromRight[index + 1] ?? 0) - (after.width + slot.width) / 2 - gap;
      fromRight[index] = Math.min(wanted[index] ?? 0, most);
    }
  }
  // Both keep the order and the gaps, and so does the mean of the two.
  layer.forEach((slot, index) => (slot.x = ((fromLeft[index] ?? 0) + (fromRight[index] ?? 0)) / 2));
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
