/** What is compared, as the address of the page says it. */
import { comparePath } from "../../app/paths";

/** What the curves run over. */
export type Axis = "step" | "time";

/** Runs in the order in which they were chosen, metrics, and the axis. */
export interface Choice {
  readonly runs: readonly string[];
  /** Empty: those that say most about these runs. */
  readonly metrics: readonly string[];
  readonly axis: Axis;
}

/** More curves than this in one chart cannot be told apart. */
export const MOST_RUNS = 12;

/** The choice in an address. */
export function readChoice(query: URLSearchParams): Choice {
  return {
    runs: listed(query.get("runs")).slice(0, MOST_RUNS),
    metrics: listed(query.get("metrics")),
    axis: query.get("x") === "time" ? "time" : "step",
  };
}

/** The address of a choice. */
export function choicePath({ runs, metrics, axis }: Choice): string {
  const metricPart = metrics.length === 0 ? "" : `&metrics=${metrics.map(encodeURIComponent).join(",")}`;
  return `${comparePath(runs)}${metricPart}${axis === "time" ? "&x=time" : ""}`;
}

/** The list with one more, or without it. */
export function toggled(list: readonly string[], each: string): string[] {
  return list.includes(each) ? list.filter((other) => other !== each) : [...list, each];
}

function listed(value: string | null): string[] {
  return [...new Set((value ?? "").split(",").filter((each) => each !== ""))];
}
