/** A session and the server as the pages show them: plain numbers and text. */
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Slots } from "@catenary/contract/catenary/v1/capability_pb";
import { Device_Kind, type Device } from "@catenary/contract/catenary/v1/discovery_pb";
import type { GetServerInfoResponse } from "@catenary/contract/catenary/v1/discovery_service_pb";
import { SessionState, type Session } from "@catenary/contract/catenary/v1/session_pb";
import { milliseconds, type Parameter } from "../../model/run";

/** What a session does. */
export type SessionStateName = "idle" | "loading" | "ready" | "training" | "failed" | "closing" | "unknown";

/** A session. Times are milliseconds since the Unix epoch. */
export interface SessionView {
  readonly id: string;
  readonly state: SessionStateName;
  readonly labels: readonly Parameter[];
  readonly device: string;
  readonly pipeline: string;
  /** The run that trains now; empty when none does. */
  readonly runId: string;
  readonly createdAt: number;
  /** When it is closed unless a call names it; undefined while a run holds it open. */
  readonly expiresAt: number | undefined;
  readonly idleSeconds: number;
  readonly searchPaths: readonly string[];
  /** Why it failed; empty unless it did. */
  readonly failure: string;
}

/** Places of which each takes one thing at a time; `total` is 0 where there is no bound. */
export interface SlotsView {
  readonly name: string;
  readonly used: number;
  readonly total: number;
}

/** A device that pipelines work on. */
export interface DeviceView {
  readonly name: string;
  readonly model: string;
  /** 0 where it is not known. */
  readonly totalBytes: number;
  readonly freeBytes: number | undefined;
}

/** The server. */
export interface ServerView {
  readonly name: string;
  readonly version: string;
  readonly startedAt: number;
  readonly slots: readonly SlotsView[];
  readonly devices: readonly DeviceView[];
}

const STATES: Readonly<Record<SessionState, SessionStateName>> = {
  [SessionState.UNSPECIFIED]: "unknown",
  [SessionState.IDLE]: "idle",
  [SessionState.LOADING]: "loading",
  [SessionState.READY]: "ready",
  [SessionState.TRAINING]: "training",
  [SessionState.FAILED]: "failed",
  [SessionState.CLOSING]: "closing",
};

/** The session as the pages show it. */
export function sessionView(session: Session): SessionView {
  return {
    id: session.sessionId,
    state: (STATES as Partial<Record<number, SessionStateName>>)[session.state] ?? "unknown",
    labels: Object.entries(session.labels).map(([name, value]) => ({ name, value })),
    device: session.device,
    pipeline: session.pipelineName,
    runId: session.runId,
    createdAt: milliseconds(session.createTime) ?? 0,
    expiresAt: milliseconds(session.expireTime),
    idleSeconds: seconds(session.idleTimeout) ?? 0,
    searchPaths: [...session.searchPaths],
    failure: session.failure?.message ?? "",
  };
}

/** The server as the pages show it. Slots of which the server tells nothing, and of what it does not do, are left out. */
export function serverView(info: GetServerInfoResponse): ServerView {
  const { limits } = info;
  const sessions = info.capabilities.some(({ name }) => name === "sessions") ? limits?.sessions : undefined;
  const slots: readonly (readonly [string, Slots | undefined])[] = [
    ["Sessions", sessions?.server],
    ["Your sessions", sessions?.principal],
    ["Workers", limits?.workers],
    ["Trainings", limits?.training],
    ["Streams", limits?.streams],
    ["Calls", limits?.calls],
  ];
  return {
    name: info.serverName,
    version: info.serverVersion,
    startedAt: milliseconds(info.startTime) ?? 0,
    slots: slots.flatMap(([name, each]) => (each === undefined ? [] : [{ name, used: each.used, total: each.total }])),
    devices: info.devices.map(deviceView),
  };
}

function deviceView(device: Device): DeviceView {
  const kind = device.kind === Device_Kind.UNSPECIFIED ? "" : Device_Kind[device.kind];
  return {
    name: device.name,
    model: device.model || kind,
    totalBytes: Number(device.memoryTotalBytes),
    freeBytes: device.memoryFreeBytes === undefined ? undefined : Number(device.memoryFreeBytes),
  };
}

/** Seconds of a duration. */
export function seconds(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) + duration.nanos / 1e9;
}
