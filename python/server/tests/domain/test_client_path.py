import pytest

from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.failure import Failure, Reason

HOSTILE = [
    "",
    "..",
    "a/../b",
    "../a",
    "/a/..",
    "a\0b",
    "a\nb",
    "a\\b",
    "a//b",
    "//a",
    "file:///etc/passwd",
    "file:a",
    "s3://bucket/a",
    "C:/a",
    "~/a",
    "~root/a",
    "a#b",
    "%2e%2e/a",
    "a/%2E%2E/b",
    "a%2fb",
    "a%5Cb",
    "\uff0e\uff0e/a",
    "\u2025/a",
    "\u2024\u2024/a",
    "\u3002\u3002/a",
    "a\uff0fb",
    "a\uff3cb",
    "a\u202eb",
    "a\u200bb",
    "a\ud800b",
    "x" * 256,
    "\u00e9" * 128,
    "a/" * 2100,
    ".catenary-principals/other/x",
    "a/.catenary-unfinished-0",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_path_that_could_mean_something_else_is_refused(text: str) -> None:
    with pytest.raises(Failure) as caught:
        ClientPath.parse(text, subject="weights_path")
    assert caught.value.reason is Reason.PATH_INVALID
    assert {violation.subject for violation in caught.value.violations} == {"weights_path"}
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("outputs/trained.yaml", ("outputs", "trained.yaml")),
        ("./outputs/./x", ("outputs", "x")),
        ("outputs/", ("outputs",)),
        (".", ()),
        ("a..b/...c", ("a..b", "...c")),
        ("Übung/größe 1.npz", ("Übung", "größe 1.npz")),
        ("x" * 255, ("x" * 255,)),
    ],
)
def test_a_plain_path_comes_apart_into_its_components(text: str, parts: tuple[str, ...]) -> None:
    assert ClientPath.parse(text) == ClientPath(absolute=False, parts=parts)


def test_a_leading_slash_makes_a_path_absolute() -> None:
    assert ClientPath.parse("/srv/a") == ClientPath(absolute=True, parts=("srv", "a"))


def test_every_fault_of_a_path_is_named_at_once() -> None:
    with pytest.raises(Failure) as caught:
        ClientPath.parse("~/a/..//b#c\\d")
    assert len(caught.value.violations) == 5
