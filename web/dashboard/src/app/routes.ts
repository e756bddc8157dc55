/** Every page of the dashboard, and the entries of its navigation. */
import { ComparePage } from "../pages/compare/compare-page";
import { RunPage } from "../pages/run/run-page";
import { RunsPage } from "../pages/runs/runs-page";
import { SessionPage } from "../pages/sessions/session-page";
import { SessionsPage } from "../pages/sessions/sessions-page";
import { COMPARE_PATH, SESSIONS_PATH } from "./paths";
import type { Route } from "./router";

export const ROUTES: readonly Route[] = [
  { path: "/", page: RunsPage },
  { path: "/runs/:id", page: RunPage },
  { path: COMPARE_PATH, page: ComparePage },
  { path: SESSIONS_PATH, page: SessionsPage },
  { path: `${SESSIONS_PATH}/:id`, page: SessionPage },
];

/** An entry of the navigation; it is current on its own path and below `within`. */
export interface NavigationEntry {
  readonly href: string;
  readonly title: string;
  readonly within?: string;
}

export const NAVIGATION: readonly NavigationEntry[] = [
  { href: "/", title: "Runs", within: "/runs" },
  { href: COMPARE_PATH, title: "Compare", within: COMPARE_PATH },
  { href: SESSIONS_PATH, title: "Sessions", within: SESSIONS_PATH },
];
