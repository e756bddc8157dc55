/** Which metrics have a chart. */
import type { JSX } from "preact";

interface MetricChooserProps {
  readonly names: readonly string[];
  readonly chosen: readonly string[];
  readonly onToggle: (name: string) => void;
}

export function MetricChooser({ names, chosen, onToggle }: MetricChooserProps): JSX.Element {
  const all = [...new Set([...names, ...chosen])];
  return (
    <fieldset class="metric-chooser">
      <legend class="small muted">Metrics</legend>
      {all.map((name) => (
        <label key={name} class="check metric-choice">
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            disabled={chosen.length === 1 && chosen.includes(name)}
            onChange={() => onToggle(name)}
          />
          {name}
        </label>
      ))}
    </fieldset>
  );
}
