from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from application import content
from fake_configs import TRAINRUN

from catenary.v1 import execution_stage_pb2
from catenary_server.domain.profiling import ProfilingChange

if TYPE_CHECKING:
    from application import Application
    from wire_client import WireClient

TRAIN = execution_stage_pb2.EXECUTION_STAGE_TRAIN
INFERENCE = execution_stage_pb2.EXECUTION_STAGE_INFERENCE


@pytest.fixture
async def ready(client: WireClient, session_id: str) -> str:
    await client.call("SetTrainRunConfig", session_id=session_id, config={"config_bytes": content(TRAINRUN)})
    return session_id


async def test_what_is_set_reaches_the_worker(client: WireClient, ready: str, app: Application) -> None:
    answer = await client.call("SetProfiling", session_id=ready, enabled=True, skip_first_n=2, synchronize_cuda=True)
    assert answer.profiling_enabled
    assert app.runtime.worker.profiling == ProfilingChange(enabled=True, synchronize=True, skip_first=2)
    answer = await client.call("SetProfiling", session_id=ready, enabled=False, reset=True)
    assert not answer.profiling_enabled
    assert app.runtime.worker.profiling == ProfilingChange(enabled=False, reset=True)


async def test_times_come_in_graph_order_by_stage(client: WireClient, ready: str) -> None:
    found = (await client.call("GetProfilingSummary", session_id=ready)).node_stats
    assert [(each.node_name, each.stage) for each in found] == [
        ("scale", TRAIN),
        ("scale", INFERENCE),
        ("detector", TRAIN),
        ("detector", INFERENCE),
    ]
    first = found[0]
    assert (first.count, first.mean_ms, first.median_ms, first.std_ms) == (2, 1.5, 1.5, 0.5)
    assert (first.min_ms, first.max_ms, first.total_ms, first.last_ms) == (1.0, 2.0, 3.0, 2.0)
    found = (await client.call("GetProfilingSummary", session_id=ready, stage=INFERENCE)).node_stats
    assert [each.node_name for each in found] == ["scale", "detector"]


async def test_a_session_without_a_pipeline_has_nothing_to_measure(client: WireClient, session_id: str) -> None:
    for rpc in ("SetProfiling", "GetProfilingSummary"):
        assert (await client.failure(rpc, session_id=session_id)).reason == "STATE_INVALID"
        assert (await client.failure(rpc, session_id="another")).reason == "SESSION_NOT_FOUND"


@pytest.mark.parametrize("fields", [{"skip_first_n": -1}, {"skip_first_n": 1_000_001}])
async def test_settings_out_of_bounds_are_refused(client: WireClient, ready: str, fields: dict[str, int]) -> None:
    assert (await client.failure("SetProfiling", session_id=ready, **fields)).reason == "FIELD_INVALID"
    assert (await client.failure("GetProfilingSummary", session_id=ready, stage=0)).reason == "FIELD_INVALID"
