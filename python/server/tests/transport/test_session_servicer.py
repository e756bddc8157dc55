from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from application import Application, content
from fake_configs import PIPELINE
from google.protobuf.duration_pb2 import Duration

from catenary.v1 import session_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from wire_client import WireClient


async def test_a_new_session_is_idle_and_named_by_the_server(client: WireClient) -> None:
    answer = await client.call("CreateSession", labels={"team": "red"}, idle_timeout=Duration(seconds=90))
    assert len(answer.session_id) >= 22
    assert answer.session.state == session_pb2.SESSION_STATE_IDLE
    assert dict(answer.session.labels) == {"team": "red"}
    assert answer.session.idle_timeout.seconds == 90
    assert answer.session.device == "cpu"
    assert answer.session.HasField("expire_time")


async def test_the_same_request_id_gives_the_same_session(client: WireClient) -> None:
    first = await client.call("CreateSession", request_id="one")
    second = await client.call("CreateSession", request_id="one")
    assert first.session_id == second.session_id
    conflict = await client.failure("CreateSession", request_id="one", labels={"other": "body"})
    assert conflict.reason == "IDEMPOTENCY_CONFLICT"


async def test_a_session_tells_its_pipeline_and_state(client: WireClient, session_id: str) -> None:
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    session = (await client.call("GetSession", session_id=session_id)).session
    assert session.state == session_pb2.SESSION_STATE_READY
    assert session.pipeline_name == PIPELINE["metadata"]["name"]


async def test_a_session_whose_worker_is_lost_tells_why(client: WireClient, session_id: str, app: Application) -> None:
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    app.runtime.worker.crash()
    session = (await client.call("GetSession", session_id=session_id)).session
    assert session.state == session_pb2.SESSION_STATE_FAILED
    assert session.failure.message
    failure = await client.failure("GetPipelineInputs", session_id=session_id)
    assert failure.reason == "WORKER_CRASHED"
    assert failure.code is grpc.StatusCode.UNAVAILABLE


async def test_search_paths_outside_the_roots_come_back_rejected(
    client: WireClient, session_id: str, tmp_path: Path
) -> None:
    inside = tmp_path / "configs" / "team"
    inside.mkdir()
    answer = await client.call(
        "SetSessionSearchPaths", session_id=session_id, search_paths=[str(inside), "/", "missing"]
    )
    assert list(answer.current_paths) == [str(tmp_path / "configs"), str(inside)]
    assert list(answer.rejected_paths) == ["/", "missing"]


async def test_replacing_all_search_paths_by_none_activates_the_roots(
    client: WireClient, session_id: str, tmp_path: Path
) -> None:
    answer = await client.call("SetSessionSearchPaths", session_id=session_id, search_paths=["/"], append=False)
    assert list(answer.current_paths) == [str(tmp_path / "configs")]


async def test_closing_twice_succeeds_and_everything_else_is_not_found(client: WireClient, session_id: str) -> None:
    await client.call("CloseSession", session_id=session_id)
    await client.call("CloseSession", session_id=session_id)
    assert (await client.failure("GetSession", session_id=session_id)).reason == "SESSION_NOT_FOUND"


@pytest.mark.parametrize("page_size", [1, 2, 3, 100])
async def test_pages_give_every_session_once_oldest_first(client: WireClient, page_size: int) -> None:
    made = [(await client.call("CreateSession", labels={"n": "x"})).session_id for _ in range(5)]
    await client.call("CreateSession")
    listed, token = [], ""
    while True:
        answer = await client.call("ListSessions", page_size=page_size, page_token=token, labels={"n": "x"})
        assert len(answer.sessions) <= page_size
        listed += [session.session_id for session in answer.sessions]
        token = answer.next_page_token
        if not token:
            break
    assert listed == made


async def test_a_session_that_closes_between_pages_disturbs_no_other(client: WireClient) -> None:
    made = [(await client.call("CreateSession")).session_id for _ in range(4)]
    first = await client.call("ListSessions", page_size=2)
    await client.call("CloseSession", session_id=made[1])
    rest = await client.call("ListSessions", page_size=2, page_token=first.next_page_token)
    assert [session.session_id for session in rest.sessions] == made[2:]


async def test_a_token_of_another_selection_or_of_nobody_is_refused(client: WireClient) -> None:
    for _ in range(2):
        await client.call("CreateSession", labels={"n": "x"})
    token = (await client.call("ListSessions", page_size=1)).next_page_token
    for wrong, labels in ((token, {"n": "x"}), ("guessed", {}), ("%", {}), (token[:-2], {})):
        failure = await client.failure("ListSessions", page_token=wrong, labels=labels)
        assert failure.reason == "FIELD_INVALID"
        assert failure.violations[0].subject == "page_token"
