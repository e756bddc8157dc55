import json

import pytest

from catenary_server.configuration.documents import read_document
from catenary_server.domain.failure import Failure, Reason


def refusal(content: bytes, *, interpolation: bool = False) -> Failure:
    with pytest.raises(Failure) as caught:
        read_document(content, interpolation=interpolation)
    return caught.value


def test_json_and_yaml_are_told_apart() -> None:
    assert read_document(b' {"a": 1e-3}', interpolation=False) == {"a": 0.001}
    assert read_document(b"\xef\xbb\xbfa: {b: [1]}", interpolation=False) == {"a": {"b": [1]}}
    assert read_document(b"# nothing\n", interpolation=False) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": ', Reason.CONFIG_INVALID),
        (b'{"a": NaN}', Reason.CONFIG_INVALID),
        (b'{"a": 1e999}', Reason.CONFIG_INVALID),
        (b'{"a": ' + b"9" * 5000 + b"}", Reason.CONFIG_INVALID),
        (b'{"a": "\\ud800"}', Reason.CONFIG_INVALID),
        (b'{"\\ud800": 1}', Reason.CONFIG_INVALID),
        (b'{"a": 1, "a": 2}', Reason.CONFIG_TOO_COMPLEX),
        (b'{"a": ' + b"[" * 200_000, Reason.CONFIG_TOO_COMPLEX),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", Reason.CONFIG_TOO_COMPLEX),
        (json.dumps({"a": [0] * 10_000}).encode(), Reason.CONFIG_TOO_COMPLEX),
        (b"x" * (1 << 20) + b"x", Reason.CONFIG_TOO_COMPLEX),
        (b"\xff\xfe", Reason.CONFIG_INVALID),
        (b"text", Reason.CONFIG_INVALID),
        (b'{"a": {"_target_": "os.system"}}', Reason.CONFIG_TARGET_FORBIDDEN),
        (b'{"a": ["${oc.env:HOME}"]}', Reason.CONFIG_RESOLVER_FORBIDDEN),
        (b'{"a": "\\\\${b}"}', Reason.CONFIG_RESOLVER_FORBIDDEN),
        (b'{"${a}": 1}', Reason.CONFIG_RESOLVER_FORBIDDEN),
        (b'{"hydra": 1}', Reason.CONFIG_RESOLVER_FORBIDDEN),
        (b'{"a": "${b}"}', Reason.CONFIG_INVALID),
    ],
)
def test_a_document_that_is_not_plain_data_is_refused(content: bytes, reason: Reason) -> None:
    failure = refusal(content)
    assert failure.reason is reason
    assert failure.violations


def test_a_refusal_names_the_key_path() -> None:
    assert refusal(b"nodes: [{params: {_target_: x}}]").violations[0].subject == "nodes.0.params._target_"


def test_references_are_for_files_that_are_composed() -> None:
    content = b"a: ${b.c}-${.d}-${e[0]}\n"
    assert read_document(content, interpolation=True) == {"a": "${b.c}-${.d}-${e[0]}"}
    assert refusal(content).reason is Reason.CONFIG_INVALID


def test_as_many_values_as_are_allowed_are_read() -> None:
    content = json.dumps({"a": [0] * 9_990}).encode()
    assert len(read_document(content, interpolation=False)["a"]) == 9_990
