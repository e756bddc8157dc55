/** Lines as uPlot wants them: one column of x for all, and columns of values beside it. */
import uPlot from "uplot";
import type { ChartLine } from "./source";

/** Which columns belong to a line; column 0 is x. */
export interface LineColumns {
  readonly line: ChartLine;
  readonly y: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
}

/** Where the columns of each line are. */
export function layOut(lines: readonly ChartLine[]): LineColumns[] {
  let next = 1;
  return lines.map((line) => {
    const first = next;
    const hasBand = line.band !== undefined;
    next += hasBand ? 3 : 1;
    return {
      line,
      low: hasBand ? first : undefined,
      high: hasBand ? first + 1 : undefined,
      y: hasBand ? first + 2 : first,
    };
  });
}

/** The columns, on all the x that any line has. */
export function columnsOf(lines: readonly ChartLine[]): uPlot.AlignedData {
  const tables = lines.map((line): uPlot.AlignedData => {
    const bands = line.band === undefined ? [] : [[...line.band.low], [...line.band.high]];
    return [Array.from(line.x), ...bands, [...line.y]];
  });
  return tables.length === 0 ? [[]] : uPlot.join(tables);
}
