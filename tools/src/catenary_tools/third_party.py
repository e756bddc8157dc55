"""Brings the protos of others into the git-ignored folder ``third_party``, verified against recorded digests.

The protos come out of registry packages at a pinned version, so nothing foreign lies in the repository and, once
fetched, everything works offline. A folder that already holds the right bytes is left alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "third_party"


class DigestMismatchError(RuntimeError):
    """Downloaded bytes are not the ones that were reviewed."""


@dataclass(frozen=True, kw_only=True)
class SourcePackage:
    """One registry package and the protos taken from it.

    ``sha256`` is the digest of the whole archive. ``members`` maps a path inside the archive to the import path below
    ``third_party``; ``digests`` holds the digest of each file by import path.
    """

    requirement: str
    sdist: bool
    sha256: str
    members: Mapping[str, str]
    digests: Mapping[str, str]


PACKAGES = (
    SourcePackage(
        requirement="protovalidate==2.1.0",
        sdist=True,  # the wheel does not carry the proto
        sha256="d2f66bd8c7e8c4929116ad598348e83d90bd718f0387f2307b34f83b1740f318",
        members={"protovalidate-2.1.0/proto/buf/validate/validate.proto": "buf/validate/validate.proto"},
        digests={"buf/validate/validate.proto": "2a3e0c64526998fe77d15033a2cc7d86d9f3770d89d960dec09bcc150a2487c1"},
    ),
    SourcePackage(
        requirement="googleapis-common-protos==1.76.0",
        sdist=False,
        sha256="59e13344a9f3651aa201a03e2bee815a3bf43a4baf1f9ff8a9b62a840ce25fac",
        members={
            "google/rpc/code.proto": "google/rpc/code.proto",
            "google/rpc/error_details.proto": "google/rpc/error_details.proto",
            "google/rpc/status.proto": "google/rpc/status.proto",
        },
        digests={
            "google/rpc/code.proto": "83a63185b83cf7332196fc5ead0ec91b93ac207fbe91b3d5bc3d72f461b0bb31",
            "google/rpc/error_details.proto": "5c18d42e6924f447622534b4b7cdb8b53c0606c8ce729b912ee5edf88d1c5520",
            "google/rpc/status.proto": "f5bfd262e6705c7ae73f32e0ad8ee20ce8c0a2578df8c4f76ebf76b572f295ed",
        },
    ),
)


def fetch(root: Path, packages: tuple[SourcePackage, ...] = PACKAGES) -> list[Path]:
    """Write the protos of ``packages`` below ``root/third_party`` and return the files that were written.

    Raises ``DigestMismatchError`` when an archive or a file differs from its recorded digest, and
    ``subprocess.CalledProcessError`` when the registry does not deliver a package.
    """
    folder = root / FOLDER
    return [path for package in packages if not is_current(folder, package) for path in _install(folder, package)]


def is_current(folder: Path, package: SourcePackage) -> bool:
    """Tell whether every file of ``package`` lies below ``folder`` with its recorded digest."""
    return all(
        (folder / name).is_file() and _sha256((folder / name).read_bytes()) == digest
        for name, digest in package.digests.items()
    )


def _install(folder: Path, package: SourcePackage) -> list[Path]:
    archive = _download(package)
    _verify(package.requirement, archive, package.sha256)
    read = _read_tar if package.sdist else _read_zip
    written = []
    for member, name in package.members.items():
        content = read(archive, member)
        _verify(name, content, package.digests[name])
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        written.append(target)
    return written


def _download(package: SourcePackage) -> bytes:
    # Not `pip download`: for a source distribution it runs the package's build backend, whose code nobody reviewed.
    form = "--no-binary" if package.sdist else "--only-binary"
    mirror = os.environ.get("PIP_INDEX_URL")
    index = ["--index-url", mirror] if mirror else []
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "unearth", package.requirement, form, *index, "--download", temporary]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return Path(found["local_path"]).read_bytes()


def _read_tar(archive: bytes, member: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        stream = tar.extractfile(member)
        if stream is None:
            raise DigestMismatchError(f"{member} is not a file in the archive")
        return stream.read()


def _read_zip(archive: bytes, member: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
        return wheel.read(member)


def _verify(name: str, content: bytes, expected: str) -> None:
    actual = _sha256(content)
    if actual != expected:
        raise DigestMismatchError(f"{name}: expected SHA-256 {expected}, got {actual}. Do not use it; find out why.")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    for fetched in fetch(Path.cwd()):
        print(f"fetched {fetched}")
