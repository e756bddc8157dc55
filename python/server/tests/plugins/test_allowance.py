from __future__ import annotations

import pytest

from catenary_server.plugins.allowance import Allowance

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "name", "versions", "digest"),
    [
        ("ndvi", "ndvi", "", ""),
        ("a-b.c_2", "a-b.c_2", "", ""),
        ("ndvi==1.2", "ndvi", "==1.2", ""),
        ("ndvi >=1,<2", "ndvi", "<2,>=1", ""),
        (f"ndvi@sha256:{DIGEST}", "ndvi", "", DIGEST),
        (f"ndvi~=1.4@sha256:{DIGEST.upper()}", "ndvi", "~=1.4", DIGEST),
    ],
)
def test_a_plugin_is_allowed_by_name_version_and_content(text: str, name: str, versions: str, digest: str) -> None:
    allowance = Allowance.parse(text)
    assert (allowance.name, str(allowance.versions), allowance.digest) == (name, versions, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-ndvi",
        "ndvi@",
        "ndvi@sha256:123",
        "ndvi==",
        "ndvi=1",
        "ndvi>=x",
        "git+https://host/ndvi",
        "ndvi 1.2",
        "../ndvi",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"version specifier|allows no plugin"):
        Allowance.parse(text)
