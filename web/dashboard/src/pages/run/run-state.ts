/** What the page of a run has of it: signals that the worker's updates change. */
import { batch, signal, type Signal } from "@preact/signals";
import type { RunView } from "../../model/run";
import type { Fault } from "../../rpc/fault";
import { ask, forget, say } from "../../rpc/port";
import type { WatchRequest } from "../../watch/request";
import type {
  BatchView,
  CommandView,
  CurveView,
  DrawnView,
  EpochView,
  LogLine,
  PerformanceView,
  TilesView,
  WatchPhase,
  WatchUpdate,
} from "../../watch/view";

/** The run, as far as it is known. */
export interface RunState {
  readonly phase: Signal<WatchPhase>;
  readonly fault: Signal<Fault | undefined>;
  readonly run: Signal<RunView | undefined>;
  readonly batch: Signal<BatchView | undefined>;
  readonly tiles: Signal<TilesView | undefined>;
  readonly drawn: Signal<DrawnView | undefined>;
  readonly performance: Signal<PerformanceView | undefined>;
  readonly curves: Signal<ReadonlyMap<string, CurveView>>;
  readonly epochs: Signal<readonly EpochView[]>;
  /** Newest last. */
  readonly commands: Signal<readonly CommandView[]>;
  readonly log: Signal<readonly LogLine[]>;
  readonly skipped: Signal<number>;
  /** Ask something of the worker about this run. */
  readonly tell: (request: WatchRequest, transfer?: Transferable[]) => void;
  /** Called with each batch that was drawn. */
  onDrawn: (drawn: DrawnView) => void;
}

/** Watch a run until `stop`. */
export function watchRun(runId: string): { state: RunState; stop: () => void } {
  const id = ask((message) => {
    if (message.kind === "view") {
      batch(() => apply(state, message.update));
    }
  });
  const state: RunState = {
    phase: signal<WatchPhase>("waiting"),
    fault: signal(undefined),
    run: signal(undefined),
    batch: signal(undefined),
    tiles: signal(undefined),
    drawn: signal(undefined),
    performance: signal(undefined),
    curves: signal(new Map()),
    epochs: signal([]),
    commands: signal([]),
    log: signal([]),
    skipped: signal(0),
    tell: (request, transfer) => say({ kind: "watch", id, request }, transfer),
    onDrawn: () => undefined,
  };
  state.tell({ action: "start", runId });
  const stop = (): void => {
    forget(id);
    say({ kind: "cancel", id });
  };
  return { state, stop };
}

/** Take what changed in. */
export function apply(state: RunState, update: WatchUpdate): void {
  for (const key of ["phase", "fault", "run", "batch", "tiles", "performance", "skipped"] as const) {
    const value = update[key];
    if (value !== undefined) {
      (state[key] as Signal<unknown>).value = value;
    }
  }
  if (update.curves !== undefined) {
    state.curves.value = new Map([...state.curves.value, ...update.curves.map((curve) => [curve.name, curve] as const)]);
  }
  if (update.epochs !== undefined && update.epochs.length > 0) {
    state.epochs.value = [...state.epochs.value, ...update.epochs];
  }
  if (update.commands !== undefined && update.commands.length > 0) {
    state.commands.value = merged(state.commands.value, update.commands);
  }
  if (update.log !== undefined && update.log.length > 0) {
    state.log.value = [...state.log.value, ...update.log];
  }
  for (const drawn of update.drawn ?? []) {
    state.drawn.value = drawn;
    state.onDrawn(drawn);
  }
}

/** Commands by their ids; one that changed stays where it was. */
export function merged(known: readonly CommandView[], news: readonly CommandView[]): CommandView[] {
  return [...new Map([...known, ...news].map((command) => [command.id, command])).values()];
}
