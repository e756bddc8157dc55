/** The services that pages may call, by their full names. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { TelemetryService } from "@catenary/contract/catenary/telemetry/v1/telemetry_service_pb";
import { ConfigService } from "@catenary/contract/catenary/v1/config_service_pb";
import { DatasetService } from "@catenary/contract/catenary/v1/dataset_service_pb";
import { DiscoveryService } from "@catenary/contract/catenary/v1/discovery_service_pb";
import { InferenceService } from "@catenary/contract/catenary/v1/inference_service_pb";
import { PipelineService } from "@catenary/contract/catenary/v1/pipeline_service_pb";
import { PluginService } from "@catenary/contract/catenary/v1/plugin_service_pb";
import { ProfilingService } from "@catenary/contract/catenary/v1/profiling_service_pb";
import { SessionService } from "@catenary/contract/catenary/v1/session_service_pb";
import { TrainingService } from "@catenary/contract/catenary/v1/training_service_pb";

const SERVICES = new Map<string, DescService>(
  [
    ConfigService,
    DatasetService,
    DiscoveryService,
    InferenceService,
    PipelineService,
    PluginService,
    ProfilingService,
    SessionService,
    TelemetryService,
    TrainingService,
  ].map((service: DescService) => [service.typeName, service]),
);

/** The method of a service by its name in TypeScript, such as `listRuns`. */
export function methodOf(service: string, method: string): DescMethod {
  const found = SERVICES.get(service)?.method[method];
  if (found === undefined) {
    throw new Error(`no method ${method} of ${service}`);
  }
  return found;
}

/** The path that the contract calls an RPC by. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}
