/** Which page is shown: paths of the address bar, without reloading. */
import { signal } from "@preact/signals";
import type { ComponentChildren, ComponentType, JSX } from "preact";

/** What a page gets of the address. */
export interface PageProps {
  /** Parts of the path that the route leaves open, by their names. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/** A path such as `/runs/:id`, and the page that it shows. */
export interface Route {
  readonly path: string;
  readonly page: ComponentType<PageProps>;
}

interface Place {
  readonly path: string;
  readonly search: string;
}

const place = signal<Place>(here());

/** The path that is shown now. */
export function currentPath(): string {
  return place.value.path;
}

/** Show another page. `replace` leaves no step to go back to, for what only refines a page. */
export function go(url: string, { replace = false } = {}): void {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  const before = place.peek().path;
  place.value = here();
  if (before !== place.peek().path) {
    window.scrollTo(0, 0);
    document.getElementById("main")?.focus();
  }
}

/** Follow the buttons back and forward. */
export function followHistory(): void {
  window.addEventListener("popstate", () => (place.value = here()));
}

/** The page of the first route that fits, or `missing`. */
export function Routed({ routes, missing: Missing }: { routes: readonly Route[]; missing: ComponentType }): JSX.Element {
  const { path, search } = place.value;
  for (const { path: pattern, page: Page } of routes) {
    const params = match(pattern, path);
    if (params !== undefined) {
      return <Page key={pattern + JSON.stringify(params)} params={params} query={new URLSearchParams(search)} />;
    }
  }
  return <Missing />;
}

/** Values of the open parts of a pattern; undefined where the path does not fit. */
export function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/").filter(Boolean);
  const given = path.split("/").filter(Boolean);
  const params: Record<string, string> = {};
  const fits = wanted.every((part, index) => {
    const value = given[index];
    if (part.startsWith(":") && value !== undefined) {
      params[part.slice(1)] = decode(value);
      return true;
    }
    return part === value;
  });
  return fits && wanted.length === given.length ? params : undefined;
}

interface LinkProps {
  readonly href: string;
  readonly class?: string;
  readonly title?: string;
  readonly "aria-label"?: string;
  readonly "aria-current"?: "page" | undefined;
  readonly children?: ComponentChildren;
}

/** A link to another page; with a modifier key the browser opens it as it does any link. */
export function Link({ href, children, ...rest }: LinkProps): JSX.Element {
  const follow = (event: MouseEvent): void => {
    if (event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      go(href);
    }
  };
  return (
    <a {...rest} href={href} onClick={follow}>
      {children}
    </a>
  );
}

function here(): Place {
  return { path: window.location.pathname, search: window.location.search };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
