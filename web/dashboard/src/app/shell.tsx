/** What surrounds every page: name, navigation, connection, theme. */
import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "../parts/icon";
import { ConnectionState } from "./connection-state";
import { Link, currentPath } from "./router";
import { NAVIGATION, type NavigationEntry } from "./routes";
import { chooseTheme, theme, type Theme } from "./theme";
import { TokenDialog } from "./token-dialog";
import "./shell.css";

const THEMES: readonly { theme: Theme; title: string; icon: IconName }[] = [
  { theme: "system", title: "Theme: as the system", icon: "system" },
  { theme: "light", title: "Theme: light", icon: "sun" },
  { theme: "dark", title: "Theme: dark", icon: "moon" },
];

/** The frame of the page. */
export function Shell({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="shell">
        <Link href="/" class="shell-brand" aria-label="Catenary, all runs">
          <Icon name="catenary" />
          <span>Catenary</span>
        </Link>
        <nav class="shell-nav" aria-label="Pages">
          {NAVIGATION.map((entry) => (
            <Link key={entry.href} href={entry.href} aria-current={isCurrent(entry) ? "page" : undefined}>
              {entry.title}
            </Link>
          ))}
        </nav>
        <div class="shell-end">
          <ConnectionState />
          <ThemeSwitch />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <TokenDialog />
    </>
  );
}

function ThemeSwitch(): JSX.Element {
  const index = THEMES.findIndex((each) => each.theme === theme.value);
  const now = THEMES[index] ?? THEMES[0];
  const next = THEMES[(index + 1) % THEMES.length];
  const switchTheme = (): void => chooseTheme(next?.theme ?? "system");
  return (
    <button type="button" class="icon-button" title={now?.title} aria-label={`${now?.title ?? ""}. Switch`} onClick={switchTheme}>
      <Icon name={now?.icon ?? "system"} />
    </button>
  );
}

function isCurrent({ href, within }: NavigationEntry): boolean {
  const path = currentPath();
  return path === href || (within !== undefined && path.startsWith(within));
}
