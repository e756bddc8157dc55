/** Unary calls of the telemetry service. */
import type { TelemetryService } from "@catenary/contract/catenary/telemetry/v1/telemetry_service_pb";
import { unary } from "./client";

export const telemetry = unary<typeof TelemetryService>("catenary.telemetry.v1.TelemetryService");
