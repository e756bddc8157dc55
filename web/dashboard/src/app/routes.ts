/** Every page of the dashboard, and the entries of its navigation. */
import { RunPage } from "../pages/run/run-page";
import { RunsPage } from "../pages/runs/runs-page";
import type { Route } from "./router";

export const ROUTES: readonly Route[] = [
  { path: "/", page: RunsPage },
  { path: "/runs/:id", page: RunPage },
];

/** An entry of the navigation; it is current on its own path and below `within`. */
export interface NavigationEntry {
  readonly href: string;
  readonly title: string;
  readonly within?: string;
}

export const NAVIGATION: readonly NavigationEntry[] = [{ href: "/", title: "Runs", within: "/runs" }];
