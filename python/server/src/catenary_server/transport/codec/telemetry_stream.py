"""What the server says to a training, encoded for writers that number their messages and for those that do not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from catenary.telemetry.v1 import command_pb2, stream_pb2
from catenary_server.application.telemetry_reply import (
    Acknowledged,
    BatchAcknowledged,
    Commanded,
    Credited,
    Faulted,
    Rejected,
)
from catenary_server.domain.failure import Reason
from catenary_server.domain.telemetry import Command, CommandType
from catenary_server.transport.codec.failure import encode_failure
from catenary_server.transport.codec.times import timestamp
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.v1 import error_pb2
    from catenary_server.application.telemetry_reply import Reply

_Error = stream_pb2.ErrorResponse
_CODES: Final[Mapping[Reason, stream_pb2.ErrorResponse.ErrorCode.ValueType]] = {
    Reason.RUN_NOT_REGISTERED: _Error.ERROR_CODE_INVALID_SESSION,
    Reason.STALE_EPOCH: _Error.ERROR_CODE_INVALID_SESSION,
    Reason.STREAM_SUPERSEDED: _Error.ERROR_CODE_INVALID_SESSION,
    Reason.HEARTBEAT_LOST: _Error.ERROR_CODE_INVALID_SESSION,
    Reason.BUFFER_FULL: _Error.ERROR_CODE_BUFFER_FULL,
    Reason.DISK_FULL: _Error.ERROR_CODE_BUFFER_FULL,
    Reason.STORAGE_IO: _Error.ERROR_CODE_INTERNAL_ERROR,
    Reason.INTERNAL_BUG: _Error.ERROR_CODE_INTERNAL_ERROR,
}


def encode_reply(reply: Reply) -> stream_pb2.StreamTelemetryResponse:
    """One message to a training."""
    response = stream_pb2.StreamTelemetryResponse(session_id=reply.run_id, timestamp_ms=time.time_ns() // 1_000_000)
    match reply:
        case Acknowledged():
            response.ack.success = True
            response.ack.received_sequence, response.ack.durable_sequence = reply.received, reply.durable
        case BatchAcknowledged():
            response.ack.success = True
            response.ack.batch_idx = reply.batch_index
        case Commanded():
            response.command.CopyFrom(encode_command(reply.command))
        case Credited():
            response.credit.image_messages, response.credit.message_bytes = reply.image_messages, reply.message_bytes
        case Rejected():
            _encode_rejection(response.rejection, reply)
        case Faulted():
            failure = encode_failure(reply.reason, reply.message)
            response.error.code = _CODES.get(reply.reason, _Error.ERROR_CODE_INVALID_DATA)
            response.error.message, response.error.reason = failure.message, failure.reason
    return response


def encode_command(command: Command) -> command_pb2.ControlCommand:
    """A command with its argument both typed and as the text that clients of the telemetry proposal read."""
    message = command_pb2.ControlCommand(
        type=names.number_of(command_pb2.CommandType, command.type),
        command_id=command.command_id,
        expire_time=timestamp(command.expire_time),
        create_time=timestamp(command.create_time),
    )
    if command.type is CommandType.ADJUST_BATCH_SIZE and command.argument is not None:
        message.batch_size = int(command.argument)
        message.parameters["batch_size"] = str(message.batch_size)
    elif command.type is CommandType.CHANGE_LEARNING_RATE and command.argument is not None:
        message.learning_rate = command.argument
        message.parameters["learning_rate"] = repr(command.argument)
    return message


def _encode_rejection(rejection: stream_pb2.Rejection, reply: Rejected) -> None:
    failure: error_pb2.Failure = encode_failure(reply.reason, reply.message)
    rejection.reason, rejection.message = failure.reason, failure.message
    if reply.sequence is not None:
        rejection.sequence = reply.sequence
    if reply.image_index is not None:
        rejection.image_index = reply.image_index
