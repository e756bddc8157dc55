/** Draws lines with uPlot. */
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { paletteVersion } from "../../app/theme";
import { columnsOf, layOut } from "./columns";
import { optionsOf, type ChartEvents, type ChartStyle, type Range } from "./options";
import type { ChartLine } from "./source";

interface PlotProps extends ChartStyle {
  readonly lines: readonly ChartLine[];
  readonly height: number;
  readonly range: Range | undefined;
  readonly onMark: (range: Range) => void;
  readonly onReset: () => void;
  /** The pointer stands over this x; undefined when it left. */
  readonly onPoint: (x: number | undefined) => void;
}

/** A canvas as wide as there is room. It is made anew when what it draws is laid out otherwise, and only then. */
export function Plot(props: PlotProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const { lines, logarithmic, height, range } = props;
  const shape = JSON.stringify(lines.map(({ id, colour, dash, band }) => [id, colour, dash, band !== undefined]));
  const palette = paletteVersion.value;

  useEffect(() => {
    const element = host.current;
    if (element === null) {
      return undefined;
    }
    const size = { width: Math.max(element.clientWidth, 100), height: latest.current.height };
    const made = new uPlot(optionsOf(layOut(latest.current.lines), size, latest.current, eventsOf(latest, plot)));
    plot.current = made;
    element.append(made.root);
    made.setData(columnsOf(latest.current.lines));
    const observer = new ResizeObserver(() => {
      made.setSize({ width: Math.max(element.clientWidth, 100), height: latest.current.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, logarithmic, height, palette]);

  useEffect(() => {
    plot.current?.setData(columnsOf(latest.current.lines));
  }, [lines, range]);

  return <div ref={host} class="chart-plot" />;
}

function eventsOf(latest: { current: PlotProps }, plot: { readonly current: uPlot | null }): ChartEvents {
  return {
    onMark: (range) => latest.current.onMark(range),
    onReset: () => latest.current.onReset(),
    onPoint: (column) => latest.current.onPoint(column === undefined ? undefined : plot.current?.data[0][column]),
    range: () => latest.current.range,
  };
}
