from __future__ import annotations

import dataclasses

import pytest

from catenary_server.application.datasets import DatasetLimits
from catenary_server.application.discovery import TelemetryAlone
from catenary_server.transport.codec.discovery import encode_server
from catenary_server.transport.interceptors.admission import Admission
from catenary_server.transport.settings import CallLimits, MessageSizes


@pytest.mark.parametrize(("quota", "stated"), [(None, 0), (10**12, 10**12)])
def test_one_upload_may_take_what_the_principal_may(quota: int | None, stated: int) -> None:
    facts = dataclasses.replace(TelemetryAlone().server("anyone"), kept=DatasetLimits(quota=quota))
    use = Admission(CallLimits()).use("anyone")
    storage = encode_server(facts, (), MessageSizes(), use, local=False).limits.storage
    assert (storage.upload_size_bytes, storage.principal_size_bytes) == (stated, stated)
