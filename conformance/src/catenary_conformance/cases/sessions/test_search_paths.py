"""Search paths stay inside the configs roots; they are appended or replaced as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.config_requests_pb2 import ListConfigsRequest
from catenary.v1.session_requests_pb2 import (
    GetSessionRequest,
    SetSessionSearchPathsRequest,
    SetSessionSearchPathsResponse,
)
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import capability, requirement

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_OUTSIDE = "/"


def _set(target: Target, session_id: str, *paths: str, append: bool | None = None) -> SetSessionSearchPathsResponse:
    request = SetSessionSearchPathsRequest(session_id=session_id, search_paths=paths, append=append)
    return rpcs.SET_SEARCH_PATHS.ok(target, request)


def _present(target: Target, session_id: str) -> list[str]:
    return list(rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session_id)).session.search_paths)


def _inside(target: Target, session_id: str, workload: Workload) -> str:
    """A directory below a configs root that is not one itself: that of a group of configurations."""
    if not workload.claims("configs"):
        pytest.skip("the target lists no configurations, so no directory below its roots is known")
    listed = rpcs.LIST_CONFIGS.ok(target, ListConfigsRequest(session_id=session_id)).configs
    for each in listed:
        folder, slash, _ = each.path.rpartition("/")
        if slash:
            return f"{each.search_path}/{folder}"
    pytest.skip("the target lists no configuration in a folder below its root")


@requirement("CAT-SES-014")
def test_a_path_outside_the_roots_is_rejected_and_never_searched(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    before = _present(target, session_id)
    for path in (_OUTSIDE, "/etc", "..", "../../etc", f"{before[0]}/.." if before else "/proc"):
        answer = _set(target, session_id, path)
        assert list(answer.rejected_paths) == [path]
        assert path not in answer.current_paths
    assert _present(target, session_id) == before


@requirement("CAT-SES-014")
def test_what_is_no_directory_is_rejected_as_it_was_sent(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    missing = target.unique("missing")
    answer = _set(target, session_id, missing)
    assert list(answer.rejected_paths) == [missing]


@requirement("CAT-SES-015")
def test_replacing_all_by_none_that_is_accepted_makes_the_roots_active(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    roots = _present(target, session_id)
    inside = _inside(target, session_id, workload)
    with presuming("CAT-SES-016"):
        assert list(_set(target, session_id, inside, append=False).current_paths) == [inside]
    answer = _set(target, session_id, _OUTSIDE, append=False)
    assert list(answer.current_paths) == roots
    _set(target, session_id, inside, append=False)
    assert list(_set(target, session_id, append=False).current_paths) == roots


@requirement("CAT-SES-016")
@pytest.mark.parametrize("append", [None, True], ids=["unset", "true"])
def test_paths_are_appended_when_append_is_unset_or_true(
    target: Target,
    workload: Workload,
    append: bool | None,  # noqa: FBT001 - a value of the field
) -> None:
    session_id = workload.open_session()
    before = _present(target, session_id)
    inside = _inside(target, session_id, workload)
    answer = _set(target, session_id, inside, append=append)
    assert list(answer.current_paths) == [*before, inside]
    assert _present(target, session_id) == [*before, inside]


@requirement("CAT-SES-016")
def test_paths_replace_the_former_ones_when_append_is_false(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    inside = _inside(target, session_id, workload)
    answer = _set(target, session_id, inside, append=False)
    assert list(answer.current_paths) == [inside]
    assert _present(target, session_id) == [inside]


@requirement("CAT-SES-014")
@capability("configs")
def test_setting_the_same_paths_again_changes_nothing(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    inside = _inside(target, session_id, workload)
    once = _set(target, session_id, inside, append=False)
    again = _set(target, session_id, inside, append=False)
    assert list(again.current_paths) == list(once.current_paths)
