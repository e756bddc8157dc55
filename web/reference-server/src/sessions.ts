/** Sessions: isolated places. This server loads no pipelines, so they stay idle until they are closed or expire. */
import { createHash, randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason } from "@catenary/contract/catenary/v1/error_pb";
import { type Session, SessionSchema, SessionState } from "@catenary/contract/catenary/v1/session_pb";
import {
  type CreateSessionRequest,
  CreateSessionRequestSchema,
} from "@catenary/contract/catenary/v1/session_requests_pb";
import type { SessionService } from "@catenary/contract/catenary/v1/session_service_pb";
import type { ServiceImpl } from "@connectrpc/connect";
import { Failure } from "./failure.js";
import { page } from "./pages.js";

export const SESSION_LIMITS = {
  sessions: 100,
  defaultIdleMs: 3_600_000,
  minIdleMs: 1_000,
  maxIdleMs: 86_400_000,
  rememberedMs: 3_600_000,
};
const PAGE_SIZE = 100;
const DEVICES = ["", "auto", "cpu"];

interface Held {
  id: string;
  place: number;
  createTime: number;
  idleMs: number;
  expireTime: number;
  labels: Record<string, string>;
  expiry: NodeJS.Timeout;
}

/** The sessions of this server, in memory. */
export class Sessions {
  private readonly held = new Map<string, Held>();
  private readonly closed = new Map<string, number>();
  private readonly requests = new Map<string, { digest: string; id: string; until: number }>();
  private places = 0;

  /** How many sessions are open. */
  get count(): number {
    return this.held.size;
  }

  /** The session of this id; naming it moves its expiry. */
  find(id: string): Held {
    const found = this.held.get(id);
    if (found === undefined) throw notFound(id);
    this.touch(found);
    return found;
  }

  /** End every timer, for the end of the server. */
  stop(): void {
    for (const each of this.held.values()) clearTimeout(each.expiry);
  }

  readonly service: ServiceImpl<typeof SessionService> = {
    createSession: (request) => {
      const session = this.describe(this.earlier(request) ?? this.open(request));
      return { sessionId: session.sessionId, session };
    },
    getSession: ({ sessionId }) => ({ session: this.describe(this.find(sessionId)) }),
    listSessions: ({ pageSize, pageToken, labels }) => {
      const wanted = Object.entries(labels);
      const matching = [...this.held.values()].filter((each) => wanted.every(([key, value]) => each.labels[key] === value));
      const found = page(matching, pageSize || PAGE_SIZE, pageToken, wanted.sort(), (each) => each.place);
      return { sessions: found.items.map((each) => this.describe(each)), nextPageToken: found.nextPageToken };
    },
    setSessionSearchPaths: ({ sessionId, searchPaths }) => {
      this.find(sessionId);
      return { currentPaths: [], rejectedPaths: searchPaths }; // there are no configs roots to be inside of
    },
    closeSession: ({ sessionId }) => {
      const until = this.closed.get(sessionId);
      const found = this.held.get(sessionId);
      if (found !== undefined) this.close(found);
      else if (until === undefined || until < Date.now()) throw notFound(sessionId);
      return {};
    },
  };

  private earlier(request: CreateSessionRequest): Held | undefined {
    const earlier = this.requests.get(request.requestId);
    if (request.requestId === "" || earlier === undefined || earlier.until < Date.now()) return undefined;
    if (earlier.digest !== digestOf(request)) {
      throw new Failure(ErrorReason.IDEMPOTENCY_CONFLICT, "the request id was used with another body; use a new one", {
        resource: { type: "request", name: request.requestId },
      });
    }
    return this.held.get(earlier.id);
  }

  private open(request: CreateSessionRequest): Held {
    const idleMs = this.idleOf(request.idleTimeout);
    if (!DEVICES.includes(request.device)) {
      throw new Failure(ErrorReason.DEVICE_INVALID, "this server has the device cpu only", {
        violations: [{ field: "device", description: "is not cpu" }],
      });
    }
    if (request.sharedMemorySizeBytes > 0n) {
      throw new Failure(ErrorReason.SHM_DISABLED, "this server offers no shared memory; send tensors in messages");
    }
    if (this.held.size >= SESSION_LIMITS.sessions) {
      throw new Failure(ErrorReason.QUOTA_SESSIONS, `the server holds its ${SESSION_LIMITS.sessions} sessions; close one`, {
        violations: [{ field: "sessions", description: `at most ${SESSION_LIMITS.sessions}` }],
        retryAfterSeconds: 1,
      });
    }
    const now = Date.now();
    const id = randomBytes(24).toString("base64url");
    const held: Held = {
      id,
      place: ++this.places,
      createTime: now,
      idleMs,
      expireTime: now + idleMs,
      labels: request.labels,
      expiry: setTimeout(() => {}, 0),
    };
    this.held.set(id, held);
    this.touch(held);
    if (request.requestId !== "") {
      this.requests.set(request.requestId, { digest: digestOf(request), id, until: now + SESSION_LIMITS.rememberedMs });
    }
    return held;
  }

  private idleOf(asked: Duration | undefined): number {
    const idleMs = asked === undefined ? SESSION_LIMITS.defaultIdleMs : durationMs(asked);
    if (idleMs < SESSION_LIMITS.minIdleMs || idleMs > SESSION_LIMITS.maxIdleMs) {
      throw new Failure(ErrorReason.FIELD_INVALID, "the idle timeout is outside the bounds that GetServerInfo states", {
        violations: [{ field: "idle_timeout", description: "is out of bounds" }],
      });
    }
    return idleMs;
  }

  private touch(held: Held): void {
    clearTimeout(held.expiry);
    held.expireTime = Date.now() + held.idleMs;
    held.expiry = setTimeout(() => this.held.delete(held.id), held.idleMs);
  }

  private close(held: Held): void {
    clearTimeout(held.expiry);
    this.held.delete(held.id);
    const now = Date.now();
    this.closed.set(held.id, now + SESSION_LIMITS.rememberedMs);
    for (const [id, until] of this.closed) if (until < now) this.closed.delete(id);
    for (const [id, { until }] of this.requests) if (until < now) this.requests.delete(id);
  }

  private describe(held: Held): Session {
    return create(SessionSchema, {
      sessionId: held.id,
      state: SessionState.IDLE,
      createTime: timestampFromMs(held.createTime),
      expireTime: timestampFromMs(held.expireTime),
      idleTimeout: durationFromMs(held.idleMs),
      labels: held.labels,
      device: "cpu",
    });
  }
}

function notFound(id: string): Failure {
  return new Failure(ErrorReason.SESSION_NOT_FOUND, "there is no such session; create one", {
    resource: { type: "session", name: id },
  });
}

function digestOf(request: CreateSessionRequest): string {
  return createHash("sha256").update(toBinary(CreateSessionRequestSchema, request)).digest("hex");
}
