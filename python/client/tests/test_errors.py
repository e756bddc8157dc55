from __future__ import annotations

import pickle

import grpc
import pytest

from catenary_client import errors
from catenary_client.errors import CatenaryError, error_for
from catenary_wire.errors import Failure, Violation, failure_from_status, status_message
from catenary_wire.reasons import reason_contract, reason_names


def failure(reason: str) -> Failure:
    return failure_from_status(status_message(reason, "what to do next"))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("TOKEN_EXPIRED", errors.AuthenticationError),
        ("SCOPE_MISSING", errors.PermissionDeniedError),
        ("FIELD_INVALID", errors.InvalidRequestError),
        ("CONFIG_INVALID", errors.ConfigError),
        ("OVERRIDE_SYNTAX", errors.ConfigError),
        ("GRAPH_INVALID", errors.ConfigError),
        ("CONFIG_NOT_FOUND", errors.NotFoundError),
        ("TENSOR_SHAPE", errors.TensorError),
        ("INPUT_NAME_MISSING", errors.TensorError),
        ("SESSION_NOT_FOUND", errors.SessionNotFoundError),
        ("ARTIFACT_EXISTS", errors.AlreadyExistsError),
        ("STATE_INVALID", errors.PreconditionError),
        ("SESSION_BUSY", errors.BusyError),
        ("QUOTA_SESSIONS", errors.LimitExceededError),
        ("MESSAGE_TOO_LARGE", errors.MessageTooLargeError),
        ("WORKER_CRASHED", errors.UnavailableError),
        ("FEATURE_DISABLED", errors.UnsupportedError),
        ("WEIGHTS_CORRUPT", errors.DataLossError),
        ("INTERNAL_BUG", errors.ServerFaultError),
    ],
)
def test_a_reason_belongs_to_a_family(reason: str, kind: type[CatenaryError]) -> None:
    assert type(error_for(failure(reason))) is kind


@pytest.mark.parametrize("reason", [r for r in reason_names() if reason_contract(r).code is not grpc.StatusCode.OK])
def test_every_reason_has_a_class_of_its_own_family(reason: str) -> None:
    error = error_for(failure(reason), "/s/M")
    assert type(error) is not CatenaryError
    assert (error.reason, error.code, error.method) == (reason, reason_contract(reason).code, "/s/M")


def test_the_text_names_reason_message_and_violations() -> None:
    status = status_message(
        "CONFIG_INVALID",
        "two keys are wrong",
        violations=[Violation("training.lr", "is negative"), Violation("", "is odd")],
        metadata={"incident_id": "i-7"},
    )
    assert str(error_for(failure_from_status(status))) == (
        "CONFIG_INVALID: two keys are wrong\n  training.lr: is negative\n  is odd\n  incident i-7"
    )


def test_an_error_crosses_a_process_border() -> None:
    original = error_for(failure("SESSION_BUSY"), "/s/M")
    copy = pickle.loads(pickle.dumps(original))
    assert type(copy) is type(original)
    assert (copy.failure, copy.method, str(copy)) == (original.failure, original.method, str(original))
