/** Where a scene is picked or dropped. */
import { useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { Icon } from "../../../parts/icon";

interface FileDropProps {
  readonly busy: boolean;
  /** Why no file is taken; undefined when one is. */
  readonly refused: string | undefined;
  readonly onFile: (file: File) => void;
}

export function FileDrop({ busy, refused, onFile }: FileDropProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const closed = busy || refused !== undefined;
  const take = (files: FileList | null | undefined): void => {
    const file = files?.[0];
    if (file !== undefined && !closed) {
      onFile(file);
    }
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer?.files);
  };
  const drag = (event: DragEvent): void => {
    event.preventDefault();
    setOver(!closed);
  };
  return (
    <div class="file-drop" data-over={over} onDrop={drop} onDragOver={drag} onDragLeave={() => setOver(false)}>
      <input
        ref={input}
        id="scene-file"
        class="visually-hidden"
        type="file"
        accept=".npy,.npz"
        disabled={closed}
        onChange={(event) => {
          take(event.currentTarget.files);
          event.currentTarget.value = ""; // so that the same file can be picked again
        }}
      />
      <label for="scene-file" class="button primary" aria-disabled={closed}>
        <Icon name="plus" />
        {busy ? "Working \u2026" : "Pick a scene"}
      </label>
      <span class="muted small">
        {refused ?? "or drop one here: .npy, or .npz with cube, and mask and wavelengths if there are any; rows \u00d7 columns \u00d7 bands"}
      </span>
    </div>
  );
}
