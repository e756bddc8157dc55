"""What the cases of configurations share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from catenary.v1.config_requests_pb2 import ResolveConfigRequest, ResolveConfigResponse
from catenary_conformance import rpcs

if TYPE_CHECKING:
    from catenary.v1.config_pb2 import ConfigFile
    from catenary_conformance.answer import Answer
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


class Resolver:
    """Asks for configurations in a session that the cases of a file share."""

    def __init__(self, target: Target, session_id: str, trainrun: str) -> None:
        self._target = target
        self.session_id = session_id
        self.trainrun = trainrun
        self._known: dict[tuple[str, ...], bytes] = {}

    def request(self, *overrides: str, config_type: str = "trainrun", path: str = "") -> ResolveConfigRequest:
        """A request for a configuration; without a path, for the train run that the suite trains."""
        return ResolveConfigRequest(
            session_id=self.session_id,
            config_type=config_type,
            path=path or self.trainrun,
            overrides=overrides,
        )

    def resolve(self, *overrides: str, config_type: str = "trainrun", path: str = "") -> ResolveConfigResponse:
        """What is answered to it."""
        return rpcs.RESOLVE_CONFIG.ok(self._target, self.request(*overrides, config_type=config_type, path=path))

    def json(self, *overrides: str, config_type: str = "trainrun", path: str = "") -> Any:  # noqa: ANN401 - JSON
        """The configuration in it; the same request is asked once, for what only compares with it."""
        key = (config_type, path, *overrides)
        if key not in self._known:
            self._known[key] = self.resolve(*overrides, config_type=config_type, path=path).config_bytes
        return json.loads(self._known[key])

    def refused(self, *overrides: str, reason: str, path: str = "") -> Answer:
        """How it is refused."""
        return rpcs.RESOLVE_CONFIG.refused(self._target, self.request(*overrides, path=path), reason=reason)


@pytest.fixture(scope="module")
def resolver(target: Target, workload: Workload, shared_session: str) -> Resolver:
    """Asks for configurations."""
    return Resolver(target, shared_session, workload.trainrun_name)


@pytest.fixture(scope="module")
def listed(target: Target, resolver: Resolver) -> list[ConfigFile]:
    """Every configuration that the target lists."""
    request = rpcs.LIST_CONFIGS.request(session_id=resolver.session_id, page_size=1000)
    return list(rpcs.LIST_CONFIGS.ok(target, request).configs)
