/** Where the training is, how fast it goes, and what the machine does meanwhile. */
import type { JSX } from "preact";
import { isFinal } from "../../model/run";
import { formatBytes, formatCount, formatDuration, formatShare, formatValue } from "../../parts/format";
import type { RunState } from "./run-state";

export function Figures({ state }: { state: RunState }): JSX.Element {
  return (
    <dl class="figures">
      <Progress state={state} />
      <Learning state={state} />
      <Speed state={state} />
      <Load state={state} />
    </dl>
  );
}

function Progress({ state }: { state: RunState }): JSX.Element {
  const batch = state.batch.value;
  const run = state.run.value;
  const of = run?.totalEpochs === undefined ? "" : ` / ${run.totalEpochs}`;
  const share = epochShare(batch?.batch, run?.batchesPerEpoch);
  return (
    <>
      <Figure name="Step" value={batch === undefined ? "\u2013" : formatCount(batch.step)} />
      <Figure name="Epoch" value={batch === undefined ? "\u2013" : `${batch.epoch}${of}`}>
        {share !== undefined && <progress class="figure-bar" value={share} aria-label="Share of the epoch" />}
      </Figure>
    </>
  );
}

function Learning({ state }: { state: RunState }): JSX.Element {
  const batch = state.batch.value;
  return (
    <>
      <Figure name="Loss" value={formatValue(batch?.loss)} />
      <Figure name="Accuracy" value={formatShare(batch?.accuracy)} />
    </>
  );
}

function Speed({ state }: { state: RunState }): JSX.Element {
  const speed = state.performance.value;
  const run = state.run.value;
  const over = run !== undefined && isFinal(run.status);
  return (
    <>
      <Figure
        name="Batches/s"
        value={speed === undefined ? "\u2013" : rate(over ? speed.averageFps : speed.currentFps)}
        note={speed === undefined ? undefined : over ? "on average" : `average ${rate(speed.averageFps)}`}
      />
      <Figure name="Time per batch" value={speed === undefined ? "\u2013" : `${formatValue(speed.batchMs)} ms`} />
      <Figure
        name={over ? "Took" : "Remaining"}
        value={formatDuration(over ? elapsed(run) : speed?.remainingSeconds)}
        note={speed === undefined || over ? undefined : `epoch ${formatDuration(speed.epochSeconds)}`}
      />
    </>
  );
}

function Load({ state }: { state: RunState }): JSX.Element | null {
  const load = state.performance.value;
  if (load?.cpuPercent === undefined) {
    return null;
  }
  const hasGpu = (load.gpuMemoryBytes ?? 0) > 0 || (load.gpuPercent ?? 0) > 0;
  return (
    <>
      <Figure name="CPU" value={`${Math.round(load.cpuPercent)} %`}>
        <progress class="figure-bar" value={load.cpuPercent} max={100} aria-label="Load of the processor" />
      </Figure>
      <Figure name="Memory" value={load.memoryBytes === undefined ? "\u2013" : formatBytes(load.memoryBytes)} />
      {hasGpu && (
        <Figure name="GPU" value={`${Math.round(load.gpuPercent ?? 0)} %`} note={formatBytes(load.gpuMemoryBytes ?? 0)}>
          <progress class="figure-bar" value={load.gpuPercent ?? 0} max={100} aria-label="Load of the accelerator" />
        </Figure>
      )}
    </>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly note?: string | undefined;
  readonly children?: JSX.Element | false | undefined;
}

function Figure({ name, value, note, children }: FigureProps): JSX.Element {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        <span class="figure-value">{value}</span>
        {note !== undefined && <span class="figure-note">{note}</span>}
        {children}
      </dd>
    </div>
  );
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}

function epochShare(batch: number | undefined, batches: number | undefined): number | undefined {
  return batch === undefined || batches === undefined || batches === 0 ? undefined : Math.min(1, (batch + 1) / batches);
}

function elapsed(run: { startedAt: number | undefined; endedAt: number | undefined }): number | undefined {
  return run.startedAt === undefined || run.endedAt === undefined ? undefined : (run.endedAt - run.startedAt) / 1000;
}
