"""Registrations and commands, between the domain and the contract."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from catenary.telemetry.v1 import command_pb2, registration_pb2
from catenary_server.domain.telemetry import Command, CommandType, Registration
from catenary_server.transport.codec.telemetry_run import decode_capability
from catenary_wire import names

if TYPE_CHECKING:
    from catenary_server.application.telemetry_registrations import Registered
    from catenary_server.domain.telemetry import TelemetryLimits

_NANOSECONDS = 1_000_000_000


def decode_registration(request: registration_pb2.RegisterTrainingSessionRequest) -> Registration:
    """Who wants to write, and to which run."""
    return Registration(
        run_id=request.session_id,
        client_name=request.client_name,
        client_version=request.client_version,
        resume_token=request.resume_token,
        tags=dict(request.tags),
        commands=tuple(decode_capability(each) for each in request.commands),
        config=request.config.SerializeToString(),
        request_id=request.request_id,
        digest=hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest(),
    )


def encode_registered(
    registered: Registered, limits: TelemetryLimits
) -> registration_pb2.RegisterTrainingSessionResponse:
    """What a writer has to know."""
    config = registration_pb2.ServerConfig(
        max_batch_size=limits.max_batch_size,
        max_image_dimension=limits.max_image_dimension,
        heartbeat_interval_ms=round(limits.heartbeat_interval * 1000),
        buffer_size=limits.buffer_size,
        max_images_per_batch=limits.max_images_per_batch,
        max_message_bytes=limits.max_message_bytes,
    )
    return registration_pb2.RegisterTrainingSessionResponse(
        success=True,
        session_id=registered.run.state.run_id,
        message="Session taken over" if registered.taken_over else "Session registered successfully",
        server_config=config,
        writer_epoch=registered.writer_epoch,
        resume_from_sequence=registered.resume_from,
        resume_token=registered.resume_token,
    )


def decode_command(message: command_pb2.ControlCommand) -> Command:
    """A command as a client sends it; the server sets its times."""
    argument: float | None = None
    if message.HasField("batch_size"):
        argument = message.batch_size
    elif message.HasField("learning_rate"):
        argument = message.learning_rate
    return Command(
        command_id=message.command_id,
        type=CommandType(names.short_name(command_pb2.CommandType, message.type)),
        argument=argument,
        create_time=0.0,
        expire_time=message.expire_time.ToNanoseconds() / _NANOSECONDS,
    )
