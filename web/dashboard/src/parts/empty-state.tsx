/** What is shown where there is nothing yet: what would be here, and what to run to have it. */
import type { ComponentChildren, JSX } from "preact";
import { Copyable } from "./copyable";
import { Icon } from "./icon";
import "./empty-state.css";

interface EmptyStateProps {
  readonly title: string;
  readonly children?: ComponentChildren;
  /** Commands to run next, to be copied. */
  readonly commands?: readonly string[];
}

export function EmptyState({ title, children, commands = [] }: EmptyStateProps): JSX.Element {
  return (
    <div class="empty">
      <span class="empty-mark">
        <Icon name="empty" size={28} />
      </span>
      <h2>{title}</h2>
      {children !== undefined && <div class="empty-text">{children}</div>}
      {commands.map((command) => (
        <Copyable key={command} text={command} />
      ))}
    </div>
  );
}
