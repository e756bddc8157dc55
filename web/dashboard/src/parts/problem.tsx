/** Something that went wrong, said where it happened. */
import type { JSX } from "preact";
import { explain } from "../rpc/fault";
import { Icon } from "./icon";

interface ProblemProps {
  /** What was tried. */
  readonly title: string;
  readonly error: unknown;
  readonly onRetry?: (() => void) | undefined;
}

export function Problem({ title, error, onRetry }: ProblemProps): JSX.Element {
  return (
    <div class="problem" role="alert">
      <Icon name="warning" />
      <div>
        <strong>{title}</strong>
        <div>{explain(error)}</div>
      </div>
      {onRetry !== undefined && (
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
