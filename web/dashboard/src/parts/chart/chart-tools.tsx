/** The controls of a chart. */
import type { JSX } from "preact";
import { Icon, type IconName } from "../icon";
import type { Zoom } from "./zoom";

interface ChartToolsProps {
  readonly name: string;
  readonly smoothing: number;
  readonly onSmoothing: (smoothing: number) => void;
  readonly logarithmic: boolean;
  readonly onLogarithmic: (logarithmic: boolean) => void;
  readonly zoom: Zoom;
  readonly live: boolean;
}

export function ChartTools(props: ChartToolsProps): JSX.Element {
  const { name, smoothing, onSmoothing, logarithmic, onLogarithmic, zoom, live } = props;
  return (
    <div class="chart-tools" role="toolbar" aria-label={`${name}: view`}>
      <label class="chart-smoothing" title="Share that earlier values have in each value">
        <span>Smooth</span>
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smoothing}
          aria-label={`${name}: smoothing`}
          onInput={(event) => onSmoothing(Number(event.currentTarget.value))}
        />
        <output class="numbers">{smoothing.toFixed(2)}</output>
      </label>
      <button
        type="button"
        class="button compact"
        aria-pressed={logarithmic}
        title="Logarithmic scale"
        onClick={() => onLogarithmic(!logarithmic)}
      >
        Log
      </button>
      {live && (
        <button
          type="button"
          class="button compact"
          aria-pressed={zoom.follows}
          title="Go along with what is newest"
          onClick={() => zoom.follow(!zoom.follows)}
        >
          <Icon name="follow" size={13} />
          Follow
        </button>
      )}
      <Tool icon="plus" label={`${name}: closer`} onClick={() => zoom.scale(0.5)} />
      <Tool icon="minus" label={`${name}: wider`} disabled={zoom.range === undefined} onClick={() => zoom.scale(2)} />
      <Tool icon="reset" label={`${name}: show all`} disabled={zoom.range === undefined} onClick={() => zoom.show(undefined)} />
    </div>
  );
}

function Tool(props: { icon: IconName; label: string; disabled?: boolean; onClick: () => void }): JSX.Element {
  return (
    <button type="button" class="icon-button compact" aria-label={props.label} title={props.label} disabled={props.disabled} onClick={props.onClick}>
      <Icon name={props.icon} size={14} />
    </button>
  );
}
