/**
 * What the page and its worker say to each other. Everything here is copied between threads: plain objects alone.
 *
 * The worker alone speaks protobuf. Messages of the contract are plain objects once decoded, so they travel as they are.
 */
import type { Fault } from "./fault";
import type { WatchUpdate } from "../watch/view";
import type { WatchRequest } from "../watch/request";

/** Where the connection to the server stands. */
export type Connection =
  | { readonly phase: "connecting" }
  | { readonly phase: "live"; readonly principal: string; readonly scopes: readonly string[] }
  /** Lost; `retryAt` is when the next attempt begins, in milliseconds since the Unix epoch. */
  | { readonly phase: "waiting"; readonly retryAt: number }
  /** The server wants a token, or another one. */
  | { readonly phase: "refused"; readonly message: string };

/** From the page to the worker. `id` is chosen by the page, once for each call, stream and watch. */
export type ToWorker =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "visible"; readonly visible: boolean }
  | { readonly kind: "retry" }
  | {
      readonly kind: "call";
      readonly id: number;
      readonly service: string;
      readonly method: string;
      readonly request: unknown;
      readonly timeoutMs?: number | undefined;
    }
  | {
      readonly kind: "open";
      readonly id: number;
      readonly service: string;
      readonly method: string;
      readonly request: unknown;
      readonly credit: number;
    }
  | { readonly kind: "credit"; readonly id: number; readonly messages: number }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "watch"; readonly id: number; readonly request: WatchRequest };

/** From the worker to the page. */
export type FromWorker =
  | { readonly kind: "connection"; readonly connection: Connection }
  | { readonly kind: "answer"; readonly id: number; readonly response: unknown }
  | { readonly kind: "message"; readonly id: number; readonly message: unknown }
  | { readonly kind: "ended"; readonly id: number; readonly fault: Fault | undefined }
  | { readonly kind: "view"; readonly id: number; readonly update: WatchUpdate };
