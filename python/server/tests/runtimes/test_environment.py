from __future__ import annotations

import os
from typing import TYPE_CHECKING

from catenary_server.runtimes.environment import scrubbed_environment

if TYPE_CHECKING:
    import pytest


def test_secrets_are_hidden_only_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    before = dict(os.environ)
    with scrubbed_environment():
        assert "AWS_SECRET_ACCESS_KEY" not in os.environ
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert os.environ["PATH"] == before["PATH"]
    assert dict(os.environ) == before
