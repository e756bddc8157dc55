from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from catenary_tools.third_party import DigestMismatchError, SourcePackage, fetch, is_current

if TYPE_CHECKING:
    from pathlib import Path

PROTO = b'syntax = "proto3";\n'
VERSION = "1.0.0"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("thing/thing.proto", PROTO)
    return buffer.getvalue()


def sdist() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"thing-{VERSION}/proto/thing.proto")
        member.size = len(PROTO)
        archive.addfile(member, io.BytesIO(PROTO))
    return buffer.getvalue()


WHEEL, SDIST = wheel(), sdist()
AS_WHEEL = SourcePackage(
    requirement=f"thing=={VERSION}",
    sdist=False,
    sha256=digest(WHEEL),
    members={"thing/thing.proto": "thing/v1/thing.proto"},
    digests={"thing/v1/thing.proto": digest(PROTO)},
)
AS_SDIST = replace(
    AS_WHEEL,
    sdist=True,
    sha256=digest(SDIST),
    members={f"thing-{VERSION}/proto/thing.proto": "thing/v1/thing.proto"},
)


@pytest.fixture
def _registry(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a registry on disk that has both forms of the package."""
    folder = tmp_path_factory.mktemp("registry")
    page = folder / "thing"
    page.mkdir()
    names = {f"thing-{VERSION}-py3-none-any.whl": WHEEL, f"thing-{VERSION}.tar.gz": SDIST}
    for name, content in names.items():
        (page / name).write_bytes(content)
    links = "".join(f'<a href="{(page / name).as_uri()}">{name}</a>' for name in names)
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    monkeypatch.setenv("PIP_INDEX_URL", folder.as_uri())


@pytest.mark.usefixtures("_registry")
@pytest.mark.parametrize("package", [AS_WHEEL, AS_SDIST], ids=["wheel", "sdist"])
def test_protos_come_out_of_the_package(tmp_path: Path, package: SourcePackage) -> None:
    (written,) = fetch(tmp_path, (package,))
    assert written == tmp_path / "third_party/thing/v1/thing.proto"
    assert written.read_bytes() == PROTO


@pytest.mark.usefixtures("_registry")
def test_a_changed_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DigestMismatchError, match=r"thing==1\.0\.0: expected SHA-256"):
        fetch(tmp_path, (replace(AS_WHEEL, sha256=digest(b"other")),))
    assert not (tmp_path / "third_party").exists()


@pytest.mark.usefixtures("_registry")
def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DigestMismatchError, match=r"thing/v1/thing\.proto"):
        fetch(tmp_path, (replace(AS_WHEEL, digests={"thing/v1/thing.proto": digest(b"other")}),))
    assert not (tmp_path / "third_party").exists()


def test_what_is_there_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "no-registry").as_uri())
    file = tmp_path / "third_party/thing/v1/thing.proto"
    file.parent.mkdir(parents=True)
    file.write_bytes(PROTO)
    assert fetch(tmp_path, (AS_WHEEL,)) == []


def test_a_file_that_somebody_edited_is_not_current(tmp_path: Path) -> None:
    file = tmp_path / "thing/v1/thing.proto"
    file.parent.mkdir(parents=True)
    file.write_bytes(PROTO + b"// more\n")
    assert not is_current(tmp_path, AS_WHEEL)
