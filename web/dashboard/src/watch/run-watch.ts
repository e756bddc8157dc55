/**
 * Watches one run for a page, by two calls of WatchRun that are taken up again whenever the connection comes back.
 *
 * The first is from now on: its snapshot has the history of every metric, so the view is whole with its first message.
 * The second has the events alone, each once and in order, from the last one that this page has: so nothing of the log
 * is missing after a cut, and what is missing never holds up what happens now.
 */
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { Run } from "@catenary/contract/catenary/telemetry/v1/run_pb";
import { PayloadClass } from "@catenary/contract/catenary/telemetry/v1/telemetry_pb";
import {
  WatchRunRequestSchema,
  WatchRunResponseSchema,
  type WatchRunResponse,
} from "@catenary/contract/catenary/telemetry/v1/watch_pb";
import { isFinal, statusOf } from "../model/run";
import { CallFailed, type Fault } from "../rpc/fault";
import { LINK_LOST, type StreamCall } from "../rpc/stream-call";
import type { StreamLink } from "../rpc/streams";
import { together } from "./credit";
import { History } from "./history";
import { LiveState } from "./live-state";
import type { WatchRequest } from "./request";
import { TilePlayer } from "./tile-player";
import type { WatchPhase, WatchUpdate } from "./view";

const METHOD = "/catenary.telemetry.v1.TelemetryService/WatchRun";
/** Messages under way, and how many of them are given back together: a page may say only so much in a second. */
const LIVE_CREDIT = 4;
const LIVE_TOGETHER = 2;
const HISTORY_CREDIT = 64;
const HISTORY_TOGETHER = 16;
const SNAPSHOT_POINTS = 4_000;
/** Figures are read, not watched; each change of the page takes the processor from the images. */
const FIGURES_EVERY_MS = 100;
const CURVES_EVERY_MS = 250;
const QUIET_MS = 250;
const RETAKEN_MS = 5_000;
const STALL_MS = 3_000;

type Changes = { -readonly [K in keyof WatchUpdate]?: WatchUpdate[K] };
type Post = (update: WatchUpdate, transfer: Transferable[]) => void;

export class RunWatch {
  readonly #link: StreamLink;
  readonly #post: Post;
  readonly #abort = new AbortController();
  readonly #history = new History();
  readonly #live = new LiveState();
  readonly #tiles = new TilePlayer();
  #runId = "";
  #curveNames: readonly string[] = [];
  #curvePoints = 1_000;
  #liveCall: StreamCall | undefined;
  /** Calls that are given up for a new one. */
  readonly #given = new WeakSet<StreamCall>();
  #frameAt = Infinity;
  #curvesAt = 0;
  #figuresAt = 0;
  #hasSnapshot = false;
  #historyHeardAt = Infinity;
  #historyEnded = false;
  #fault: Fault | undefined;
  readonly #told: Changes = {};

  constructor(link: StreamLink, post: Post) {
    this.#link = link;
    this.#post = post;
  }

  /** Do what the page asks. */
  take(request: WatchRequest): void {
    switch (request.action) {
      case "start":
        this.#runId = request.runId;
        void this.#followLive();
        void this.#followHistory();
        requestAnimationFrame(this.#frame);
        break;
      case "canvas":
        this.#tiles.useCanvas(request.canvas);
        break;
      case "size":
        this.#tiles.resize(request.width, request.height, request.scale);
        break;
      case "palette":
        this.#tiles.usePalette(request.palette);
        break;
      case "hold":
        this.#tiles.hold = request.hold;
        break;
      case "curves":
        this.#curveNames = request.names;
        this.#curvePoints = request.points;
        this.#live.touch(request.names);
        break;
    }
  }

  /** End for good. */
  stop(): void {
    this.#abort.abort();
    this.#tiles.close();
  }

  /** What happens now, until the run ends. */
  #followLive(): Promise<void> {
    return this.#follow({ snapshotPoints: SNAPSHOT_POINTS }, LIVE_CREDIT, this.#takeLive);
  }

  /** The events; after the end of the run, look now and then whether somebody took it up again. */
  async #followHistory(): Promise<void> {
    const request = { snapshotPoints: 0, payloadClasses: [PayloadClass.EVENT] };
    while (!this.#abort.signal.aborted && this.#fault === undefined) {
      await this.#follow(request, HISTORY_CREDIT, this.#takeHistory);
      await new Promise((resolve) => setTimeout(resolve, RETAKEN_MS));
    }
  }

  /** Keep a call of WatchRun open until the run or the watch ends. */
  async #follow(
    request: MessageInitShape<typeof WatchRunRequestSchema>,
    credit: number,
    take: (response: WatchRunResponse, giveBack: () => void) => void,
  ): Promise<void> {
    const signal = this.#abort.signal;
    const resumes = credit === HISTORY_CREDIT;
    try {
      for (;;) {
        await this.#link.live(signal);
        const afterSequence = resumes ? this.#history.sequence : undefined;
        const bytes = toBinary(
          WatchRunRequestSchema,
          create(WatchRunRequestSchema, { ...request, runId: this.#runId, afterSequence }),
        );
        const call = this.#link.open(METHOD, bytes, credit);
        signal.addEventListener("abort", () => call.cancel(), { once: true });
        try {
          const giveBack = together(call, resumes ? HISTORY_TOGETHER : LIVE_TOGETHER);
          this.#liveCall = resumes ? this.#liveCall : call;
          for await (const message of call) {
            take(fromBinary(WatchRunResponseSchema, message), giveBack);
          }
          if (!this.#given.delete(call)) {
            return;
          }
        } catch (error) {
          this.#lost(error);
        }
      }
    } catch (error) {
      if (!signal.aborted) {
        this.#fault = error instanceof CallFailed ? error.fault : { code: "UNKNOWN", reason: "", message: String(error), violations: [] };
      }
    }
  }

  /** A lost link is waited for; anything else is the end. */
  #lost(error: unknown): void {
    if (!(error instanceof CallFailed) || error.fault.code !== LINK_LOST) {
      throw error;
    }
    this.#hasSnapshot = false;
    this.#historyHeardAt = Infinity;
  }

  #takeLive = (response: WatchRunResponse, giveBack: () => void): void => {
    const batch = this.#live.take(response);
    this.#hasSnapshot = true;
    if (batch === undefined) {
      giveBack();
    } else {
      const classNames = this.#live.run?.classNames ?? [];
      this.#tiles.take({ batch, step: this.#live.step, classNames, done: giveBack });
    }
  };

  #takeHistory = (response: WatchRunResponse, giveBack: () => void): void => {
    const { event } = response;
    if (event.case === "snapshot" && this.#historyEnded && !isOver(event.value.run)) {
      this.#historyEnded = false;
      void this.#followLive();
    }
    this.#history.take(response);
    this.#historyHeardAt = performance.now();
    this.#historyEnded ||= response.event.case === "runEnded";
    giveBack();
  };

  /** With each frame of the screen: draw, and tell the page what changed. */
  #frame = (now: number): void => {
    if (this.#abort.signal.aborted) {
      return;
    }
    this.#catchUp(now);
    this.#tiles.draw(now);
    const update: Changes = { ...this.#history.news() };
    this.#mention(update, "phase", this.#phase());
    this.#mention(update, "run", this.#live.run);
    this.#mention(update, "fault", this.#fault);
    if (now - this.#figuresAt >= FIGURES_EVERY_MS) {
      this.#figuresAt = now;
      this.#figures(update, now);
    }
    if (Object.keys(update).length > 0) {
      const buffers = (update.curves ?? []).flatMap(({ steps, times, lows, highs }) => [steps.buffer, times.buffer, lows.buffer, highs.buffer]);
      this.#post(update, buffers);
    }
    requestAnimationFrame(this.#frame);
  };

  /** What changes with every batch. */
  #figures(update: Changes, now: number): void {
    this.#mention(update, "batch", this.#live.batch);
    this.#mention(update, "performance", this.#live.performance);
    this.#mention(update, "skipped", this.#tiles.skipped);
    this.#mention(update, "tiles", this.#tiles.view);
    const drawn = this.#tiles.takeDrawn();
    if (drawn.length > 0) {
      update.drawn = drawn;
    }
    if (now - this.#curvesAt >= CURVES_EVERY_MS && this.#live.hasNews(this.#curveNames)) {
      this.#curvesAt = now;
      update.curves = this.#live.curves(this.#curveNames, this.#curvePoints);
    }
  }

  /** After a time without frames, as in a tab behind others, begin with what is now instead of all that has been. */
  #catchUp(now: number): void {
    if (now - this.#frameAt > STALL_MS && this.#liveCall !== undefined) {
      this.#given.add(this.#liveCall);
      this.#liveCall.cancel();
      this.#liveCall = undefined;
    }
    this.#frameAt = now;
  }

  /** Put something into an update unless the page has it already. */
  #mention<K extends keyof WatchUpdate>(update: Pick<Changes, K>, key: K, value: WatchUpdate[K]): void {
    if (value !== undefined && this.#told[key] !== value) {
      this.#told[key] = value;
      update[key] = value;
    }
  }

  #phase(): WatchPhase {
    if (this.#fault !== undefined) {
      return "failed";
    }
    if (this.#historyEnded && this.#live.ended) {
      return "ended";
    }
    if (this.#link.connection.phase !== "live") {
      return "waiting";
    }
    const quiet = performance.now() - this.#historyHeardAt >= QUIET_MS;
    return this.#hasSnapshot && (quiet || this.#told.phase === "live") ? "live" : "catching-up";
  }
}

function isOver(run: Run | undefined): boolean {
  return run === undefined || isFinal(statusOf(run.status));
}
