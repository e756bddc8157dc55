/** A command to copy. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import { Icon } from "./icon";
import "./copyable.css";

const SHOWN_MS = 1500;

/** A line of text as it is typed, with a button that copies it. */
export function Copyable({ text, label = "Copy the command" }: { text: string; label?: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (copied) {
      const timer = setTimeout(() => setCopied(false), SHOWN_MS);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [copied]);
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => setCopied(true));
  };
  return (
    <div class="copyable">
      <code tabIndex={0}>{text}</code>
      <button type="button" class="icon-button" aria-label={label} title={label} onClick={copy}>
        <Icon name={copied ? "check" : "copy"} />
      </button>
      <span class="visually-hidden" role="status">
        {copied ? "Copied" : ""}
      </span>
    </div>
  );
}
