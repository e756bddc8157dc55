/** Which runs are shown. */
import { isFinal, type RunView } from "../../model/run";
import { found } from "../../parts/search-field";

/** Groups of runs that can be asked for. */
export type Group = "all" | "live" | "finished" | "failed";

export const GROUPS: readonly { readonly group: Group; readonly title: string }[] = [
  { group: "all", title: "All" },
  { group: "live", title: "Live" },
  { group: "finished", title: "Finished" },
  { group: "failed", title: "Failed" },
];

/** Whether a run belongs to a group; a cancelled one is finished. */
export function isIn(group: Group, run: RunView): boolean {
  switch (group) {
    case "all":
      return true;
    case "live":
      return !isFinal(run.status);
    case "finished":
      return isFinal(run.status) && run.status !== "failed";
    case "failed":
      return run.status === "failed";
  }
}

/** The runs of a group in which every word of the search is found: in id, model, dataset, status or a tag. */
export function filterRuns(runs: readonly RunView[], group: Group, search: string): RunView[] {
  return runs.filter((run) => isIn(group, run) && found(search, textsOf(run)));
}

function textsOf(run: RunView): string[] {
  const tags = run.tags.map(({ name, value }) => `${name}=${value}`);
  return [run.id, run.model, run.dataset, run.status, run.client, ...tags];
}
