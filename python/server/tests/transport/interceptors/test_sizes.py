from __future__ import annotations

import pytest
from wire_client import method

from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.interceptors.sizes import check_size, size_limit
from catenary_server.transport.settings import MessageSizes

SIZES = MessageSizes(control=1, telemetry=2, chunk=3, inference=4, weights=5)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("CreateSession", 1),
        ("SetTrainRunConfig", 1),
        ("StreamTelemetry", 2),
        ("UploadDataset", 3),
        ("UploadPipeline", 3),
        ("DownloadPipeline", 3),
        ("InferenceChunked", 3),
        ("Inference", 4),
        ("StreamInference", 4),
        ("LoadPipelineWeights", 5),
    ],
)
def test_each_kind_of_message_has_its_limit(name: str, limit: int) -> None:
    rpc = method(name)
    assert size_limit(rpc, SIZES) == limit
    check_size(rpc, limit, SIZES)
    with pytest.raises(Failure) as caught:
        check_size(rpc, limit + 1, SIZES)
    assert caught.value.reason is Reason.MESSAGE_TOO_LARGE


def test_the_largest_is_known() -> None:
    assert SIZES.largest == 5
