import { describe, expect, test } from "vitest";
import { readDot } from "../../../../src/pages/sessions/graph/dot";
import { placeGraph } from "../../../../src/pages/sessions/graph/layers";

const DOT = `digraph "deep_svdd" {
  rankdir=LR;
  node [shape=box, style="rounded,filled", fontname="Helvetica"];
  "scene" [label="scene\\nSceneInput", fillcolor="#cfe8d5", fontcolor="#1c5230"];
  "say \\"hi\\" \\\\" [label="say \\"hi\\" \\\\\\nMinMax", fillcolor="#d3e4f6"];
  "auroc" [label="auroc\\nAUROC", fillcolor="#fbe6c0"];
  "scene" -> "say \\"hi\\" \\\\" [label="cube \u2192 data"];
  "say \\"hi\\" \\\\" -> "auroc" [label="scores"];
  "scene" -> "auroc" [label="mask \u2192 targets"];
}
`;

const SIZES = { nodeWidth: 100, nodeHeight: 40, gapX: 20, gapY: 40, passing: 10 };

describe("a pipeline in DOT", () => {
  test("gives its nodes in their order, and its connections", () => {
    const graph = readDot(DOT);
    expect(graph?.nodes).toEqual([
      { name: "scene", className: "SceneInput" },
      { name: 'say "hi" \\', className: "MinMax" },
      { name: "auroc", className: "AUROC" },
    ]);
    expect(graph?.edges.map(({ source, target, ports }) => [source, target, ports])).toEqual([
      ["scene", 'say "hi" \\', "cube \u2192 data"],
      ['say "hi" \\', "auroc", "scores"],
      ["scene", "auroc", "mask \u2192 targets"],
    ]);
  });

  test("of another form is not guessed at", () => {
    expect(readDot("digraph { a -> b }")).toBeUndefined();
    expect(readDot('digraph {\n "a" [label="a\\nA"];\n "a" -> "b" [label="x"];\n}')).toBeUndefined();
    expect(readDot("")).toBeUndefined();
  });
});

describe("a pipeline in layers", () => {
  const graph = readDot(DOT) ?? { nodes: [], edges: [] };
  const placed = placeGraph(graph, SIZES);
  const at = (name: string) => placed.nodes.find((node) => node.name === name) ?? { x: NaN, y: NaN };

  test("has every node below those that it takes from", () => {
    for (const { source, target } of graph.edges) {
      expect(at(target).y).toBeGreaterThan(at(source).y + SIZES.nodeHeight);
    }
  });

  test("has nothing outside, and no two nodes over each other", () => {
    for (const node of placed.nodes) {
      expect(node.x - SIZES.nodeWidth / 2).toBeGreaterThanOrEqual(0);
      expect(node.x + SIZES.nodeWidth / 2).toBeLessThanOrEqual(placed.width + 1e-9);
      for (const other of placed.nodes) {
        expect(node === other || node.y !== other.y || Math.abs(node.x - other.x) >= SIZES.nodeWidth).toBe(true);
      }
    }
  });

  test("leads a connection over a layer past the nodes there", () => {
    const passing = placed.edges.find(({ edge }) => edge.source === "scene" && edge.target === "auroc");
    const [x = NaN, y = NaN] = passing?.points[1] ?? [];
    expect(passing?.points).toHaveLength(3);
    expect(y).toBe(at('say "hi" \\').y);
    expect(Math.abs(x - at('say "hi" \\').x)).toBeGreaterThan(SIZES.nodeWidth / 2);
  });
});
