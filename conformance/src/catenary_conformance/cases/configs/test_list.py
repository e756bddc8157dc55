"""ListConfigs lists what ResolveConfig finds, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.config_requests_pb2 import ListConfigsRequest
from catenary_conformance import rpcs
from catenary_conformance.pages import walk
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary.v1.config_pb2 import ConfigFile
    from catenary_conformance.cases.configs.conftest import Resolver
    from catenary_conformance.target import Target

_MOST_RESOLVED = 6
"""Files that the case resolves; a server may have thousands."""


@requirement("CAT-CFG-001")
def test_every_listed_file_resolves_from_the_search_path_that_it_names(
    resolver: Resolver, listed: list[ConfigFile]
) -> None:
    step = max(1, len(listed) // _MOST_RESOLVED)
    for file in listed[::step]:
        first = resolver.resolve(config_type=file.config_type, path=file.path).source_files[0]
        assert (first.config_type, first.search_path) == (file.config_type, file.search_path), f"{file.path}"


@requirement("CAT-CFG-001")
def test_a_list_is_sorted_by_group_and_path_and_names_each_file_once(listed: list[ConfigFile]) -> None:
    keys = [(each.config_type, each.path) for each in listed]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@requirement("CAT-CFG-001")
def test_a_list_of_one_group_has_its_files_and_no_others(
    target: Target, resolver: Resolver, listed: list[ConfigFile]
) -> None:
    for group in {each.config_type for each in listed}:
        found = walk(target, rpcs.LIST_CONFIGS, "configs", session_id=resolver.session_id, config_type=group)
        assert found == [each for each in listed if each.config_type == group]


@requirement("CAT-CFG-002")
@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
def test_following_the_page_tokens_gives_every_configuration_once(
    target: Target, resolver: Resolver, listed: list[ConfigFile], page_size: int
) -> None:
    found = walk(target, rpcs.LIST_CONFIGS, "configs", page_size=page_size, session_id=resolver.session_id)
    assert found == listed


@requirement("CAT-CFG-002")
def test_a_page_token_that_the_server_never_gave_is_refused(target: Target, resolver: Resolver) -> None:
    request = ListConfigsRequest(session_id=resolver.session_id, page_token=target.unique("token"))
    rpcs.LIST_CONFIGS.refused(target, request, reason="FIELD_INVALID")
