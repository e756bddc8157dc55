/** The epochs of a run. */
import type { JSX } from "preact";
import { DataTable, type Column } from "../../parts/data-table";
import { formatShare, formatTime, formatValue } from "../../parts/format";
import { Icon } from "../../parts/icon";
import type { EpochView } from "../../watch/view";
import type { RunState } from "./run-state";

export function EpochTable({ state }: { state: RunState }): JSX.Element {
  const epochs = state.epochs.value;
  const best = bestOf(epochs);
  return (
    <section class="panel" aria-label="Epochs">
      <div class="panel-head">
        <h2>Epochs</h2>
        <span class="muted small">{best === undefined ? "" : `lowest validation loss in epoch ${best.epoch}`}</span>
      </div>
      {epochs.length === 0 ? (
        <p class="panel-body muted small">No epoch has ended yet</p>
      ) : (
        <div class="run-scroll">
          <DataTable
            caption="Epochs"
            columns={columnsOf(best)}
            rows={epochs}
            rowKey={(epoch) => String(epoch.sequence)}
            initialSort={{ key: "epoch", descending: true }}
          />
        </div>
      )}
    </section>
  );
}

function columnsOf(best: EpochView | undefined): Column<EpochView>[] {
  return [
    {
      key: "epoch",
      title: "Epoch",
      rowHeader: true,
      cell: (epoch) => (
        <span class="nowrap">
          {epoch.epoch} {epoch === best && <Mark text="best" />} {epoch.converged && <Mark text="converged" />}
        </span>
      ),
      sortBy: (epoch) => epoch.sequence,
    },
    number("loss", "Loss", (epoch) => epoch.loss),
    number("validation-loss", "Val. loss", (epoch) => epoch.validationLoss),
    number("accuracy", "Accuracy", (epoch) => epoch.accuracy, formatShare),
    number("validation-accuracy", "Val. accuracy", (epoch) => epoch.validationAccuracy, formatShare),
    { ...number("rate", "Learning rate", (epoch) => epoch.learningRate), wideOnly: true },
    { ...number("at", "Ended", (epoch) => epoch.at, (at) => formatTime(at ?? 0)), wideOnly: true },
  ];
}

function Mark({ text }: { text: string }): JSX.Element {
  return (
    <span class="badge" data-tone="live">
      <Icon name="check" size={11} />
      {text}
    </span>
  );
}

function number(
  key: string,
  title: string,
  value: (epoch: EpochView) => number | undefined,
  format: (value: number | undefined) => string = formatValue,
): Column<EpochView> {
  return { key, title, numeric: true, cell: (epoch) => format(value(epoch)), sortBy: (epoch) => value(epoch) ?? NaN };
}

/** The epoch with the lowest loss on the validation split; undefined without one. */
export function bestOf(epochs: readonly EpochView[]): EpochView | undefined {
  let best: EpochView | undefined;
  for (const epoch of epochs) {
    const loss = epoch.validationLoss;
    if (loss !== undefined && Number.isFinite(loss) && loss < (best?.validationLoss ?? Infinity)) {
      best = epoch;
    }
  }
  return best;
}
