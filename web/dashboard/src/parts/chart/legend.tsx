/** Names the curves of a chart, with the value of each; a curve is shown or hidden by its name. */
import type { JSX } from "preact";
import type { ChartLine, ChartSource } from "./source";

interface LegendProps {
  readonly sources: readonly ChartSource[];
  readonly lines: readonly ChartLine[];
  readonly hidden: ReadonlySet<string>;
  readonly onToggle: (id: string) => void;
  /** The x whose values are shown; undefined for the last of each. */
  readonly x: number | undefined;
  readonly formatY: (y: number) => string;
}

export function Legend({ sources, lines, hidden, onToggle, x, formatY }: LegendProps): JSX.Element {
  return (
    <ul class="legend">
      {sources.map((source) => {
        const line = lines.find(({ id }) => id === source.id);
        const value = line === undefined ? undefined : valueAt(line, x);
        return (
          <li key={source.id}>
            <button type="button" aria-pressed={!hidden.has(source.id)} onClick={() => onToggle(source.id)}>
              <Swatch source={source} />
              <span class="legend-label">{source.label}</span>
              <span class="numbers">{value === undefined ? "" : formatY(value)}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** A piece of the curve: its colour and its dashes. */
export function Swatch({ source }: { source: Pick<ChartSource, "colour" | "dash"> }): JSX.Element {
  return (
    <svg width="22" height="8" aria-hidden="true" focusable="false">
      <path
        d="M0 4h22"
        style={{ stroke: `var(--curve-${source.colour})` }}
        stroke-width="2.5"
        stroke-dasharray={source.dash?.join(" ")}
      />
    </svg>
  );
}

/** The last value that is drawn up to an x. */
export function valueAt({ x: steps, y }: Pick<ChartLine, "x" | "y">, x: number | undefined): number | undefined {
  for (let index = y.length - 1; index >= 0; index -= 1) {
    const value = y[index];
    if (value !== null && value !== undefined && (x === undefined || (steps[index] ?? Infinity) <= x)) {
      return value;
    }
  }
  return undefined;
}
