"""What the cases are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1 import session_requests_pb2
from catenary_conformance.plugin import RUN
from catenary_conformance.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.v1 import discovery_service_pb2
    from catenary_conformance.contract import Contract
    from catenary_conformance.janitor import Janitor
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """The run."""
    found: Run | None = pytestconfig.stash.get(RUN, None)
    if found is None:
        pytest.exit("name the server to test with --target HOST:PORT", returncode=2)
    return found


@pytest.fixture(scope="session")
def contract(run: Run) -> Contract:
    """The contract."""
    return run.contract


@pytest.fixture(scope="session")
def target(run: Run) -> Target:
    """The server under test."""
    return run.target


@pytest.fixture(scope="session")
def near(run: Run) -> Target:
    """The same server by its Unix socket, where the run was given one."""
    return run.near


@pytest.fixture(scope="session")
def janitor(run: Run) -> Janitor:
    """Removes what cases made."""
    return run.janitor


@pytest.fixture
def info(target: Target) -> discovery_service_pb2.GetServerInfoResponse:
    """What the target says of itself, asked for anew."""
    found: discovery_service_pb2.GetServerInfoResponse = target.call("GetServerInfo").expect_ok()
    return found


@pytest.fixture
def session(target: Target) -> Iterator[str]:
    """Id of a session of the case's own."""
    request = session_requests_pb2.CreateSessionRequest(labels={"conformance": target.settings.nonce})
    session_id = target.call("CreateSession", request).expect_ok().session_id
    yield session_id
    target.quiet_call("CloseSession", session_requests_pb2.CloseSessionRequest(session_id=session_id))


@pytest.fixture(scope="module")
def shared_session(target: Target) -> Iterator[str]:
    """Id of a session that the cases of a file share, for those that leave it as it was."""
    request = session_requests_pb2.CreateSessionRequest(labels={"conformance": target.settings.nonce})
    session_id = target.call("CreateSession", request).expect_ok().session_id
    yield session_id
    target.quiet_call("CloseSession", session_requests_pb2.CloseSessionRequest(session_id=session_id))


@pytest.fixture(scope="session")
def workload(target: Target, pytestconfig: pytest.Config) -> Workload:
    """What the target can be made to train and infer with."""
    return Workload(target, pytestconfig.getoption("--trainrun"))


@pytest.fixture(autouse=True)
def _left_as_it_was(janitor: Janitor, workload: Workload) -> Iterator[None]:
    """Remove what a case made. What fixtures of a wider scope made was there before it began."""
    before = frozenset(each.id for each in janitor.present)
    yield
    janitor.tidy(keep=before | workload.kept)


@pytest.fixture(scope="session")
def second_token(target: Target) -> str:
    """Token of the second principal."""
    return target.settings.second_token
