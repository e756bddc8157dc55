/** The services that the pages of sessions call. */
import type { DiscoveryService } from "@catenary/contract/catenary/v1/discovery_service_pb";
import type { InferenceService } from "@catenary/contract/catenary/v1/inference_service_pb";
import type { PipelineService } from "@catenary/contract/catenary/v1/pipeline_service_pb";
import type { ProfilingService } from "@catenary/contract/catenary/v1/profiling_service_pb";
import type { SessionService } from "@catenary/contract/catenary/v1/session_service_pb";
import type { TrainingService } from "@catenary/contract/catenary/v1/training_service_pb";
import { streams, unary } from "../../rpc/client";

export const sessions = unary<typeof SessionService>("catenary.v1.SessionService");
export const discovery = unary<typeof DiscoveryService>("catenary.v1.DiscoveryService");
export const pipelines = unary<typeof PipelineService>("catenary.v1.PipelineService");
export const inference = unary<typeof InferenceService>("catenary.v1.InferenceService");
export const profiling = unary<typeof ProfilingService>("catenary.v1.ProfilingService");
export const trainings = streams<typeof TrainingService>("catenary.v1.TrainingService");
