/** Light or dark: as the system has it, or as somebody chose here. */
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "catenary.theme";
const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");

/** What was chosen. */
export const theme = signal<Theme>(stored());
/** Rises whenever colours changed, so that what is drawn on a canvas is drawn anew. */
export const paletteVersion = signal(0);

/** Choose a theme, for this browser. */
export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen);
  theme.value = chosen;
  apply();
}

/** Use the chosen theme, and follow the system where none is. */
export function startTheme(): void {
  apply();
  systemIsDark.addEventListener("change", apply);
}

/** A colour of the theme, such as `--accent`, as a canvas understands it. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

function apply(): void {
  if (theme.value === "system") {
    delete document.documentElement.dataset["theme"];
  } else {
    document.documentElement.dataset["theme"] = theme.value;
  }
  paletteVersion.value += 1;
}

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}
