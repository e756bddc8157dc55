"""Names of what a drawn request makes.

A name that is drawn is drawn again, by the same seed, in the next run; on the server it has to be new each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from catenary.telemetry.v1.registration_pb2 import RegisterTrainingSessionRequest

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from catenary_conformance.target import Target

M = TypeVar("M", bound="Message")


def named(target: Target, request: M) -> M:
    """A drawn request whose effect, if it has one, goes by a name that nothing else has."""
    if isinstance(request, RegisterTrainingSessionRequest) and request.session_id:
        request.session_id = target.unique("drawn")
    return request
