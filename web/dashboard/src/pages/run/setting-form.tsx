/** Changes one number of a training. */
import { useId, useState } from "preact/hooks";
import type { JSX } from "preact";
import { formatValue } from "../../parts/format";

interface SettingFormProps {
  readonly title: string;
  /** As far as it is known. */
  readonly current: number | undefined;
  readonly bounds: { readonly minimum?: number | undefined; readonly maximum?: number | undefined };
  /** Only whole numbers. */
  readonly whole?: boolean;
  /** Why it cannot be changed now. */
  readonly refusal: string | undefined;
  readonly onApply: (value: number) => void;
}

export function SettingForm(props: SettingFormProps): JSX.Element {
  const { title, current, bounds, whole = false, refusal, onApply } = props;
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const hint = useId();
  const apply = (event: Event): void => {
    event.preventDefault();
    const found = problemOf(text, bounds, whole);
    setProblem(found);
    if (found === "") {
      onApply(Number(text));
      setText("");
    }
  };
  return (
    <form class="setting" onSubmit={apply} noValidate title={refusal}>
      <label class="field">
        <span>
          {title}
          <span class="muted"> now {formatValue(current)}</span>
        </span>
        <input
          type="text"
          inputMode="decimal"
          autocomplete="off"
          value={text}
          placeholder={rangeText(bounds)}
          disabled={refusal !== undefined}
          aria-describedby={hint}
          aria-description={refusal}
          aria-invalid={problem !== ""}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button" disabled={refusal !== undefined || text.trim() === ""}>
        Apply
      </button>
      <span id={hint} class="setting-hint small bad-text" role="alert">
        {problem}
      </span>
    </form>
  );
}

/** What is wrong with what was typed; empty if nothing is. */
export function problemOf(
  text: string,
  { minimum, maximum }: { readonly minimum?: number | undefined; readonly maximum?: number | undefined },
  whole: boolean,
): string {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!Number.isFinite(value)) {
    return "Not a number";
  }
  if (whole && !Number.isInteger(value)) {
    return "Only whole numbers";
  }
  if (minimum !== undefined && value < minimum) {
    return `At least ${formatValue(minimum)}`;
  }
  return maximum !== undefined && value > maximum ? `At most ${formatValue(maximum)}` : "";
}

function rangeText({ minimum, maximum }: { minimum?: number | undefined; maximum?: number | undefined }): string {
  if (minimum === undefined && maximum === undefined) {
    return "";
  }
  return `${minimum === undefined ? "" : formatValue(minimum)} to ${maximum === undefined ? "" : formatValue(maximum)}`;
}
