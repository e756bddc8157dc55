from __future__ import annotations

import hashlib

import pytest

from catenary_server.domain.dataset import Dataset, DatasetState, DeclaredFile, UploadHeader, check_head
from catenary_server.domain.failure import Failure, Reason


def header(*paths: str) -> UploadHeader:
    digest = hashlib.sha256().digest()
    return UploadHeader(request_id="r", name="n", files=tuple(DeclaredFile(path, 1, digest) for path in paths))


def test_paths_come_in_their_plainest_form() -> None:
    assert [file.path for file in header("a.npy", "./b/./c.png").normalized().files] == ["a.npy", "b/c.png"]


@pytest.mark.parametrize(
    "paths",
    [
        ("../a",), ("/etc/passwd",), ("a/../../b",), ("a\\b",), ("~/a",), ("a\0b",), ("%2e%2e/a",), ("file:a",), (".",),
        ("a/",), (".catenary-x",), ("x" * 300,), ("a", "./a"), ("a", "a/b"), ("a/b", "a"),
    ],
)  # fmt: skip
def test_a_path_that_leaves_the_dataset_or_meets_another_is_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as caught:
        header(*paths).normalized()
    assert caught.value.reason is Reason.PATH_INVALID
    assert caught.value.violations[0].subject.startswith("files[")


@pytest.mark.parametrize(
    ("state", "paths", "path"),
    [
        (DatasetState.UPLOADING, ("a.npz",), ""),
        (DatasetState.READY, ("deep/a.npz",), "datasets/d/deep/a.npz"),
        (DatasetState.READY, ("1.png", "2.png"), "datasets/d"),
    ],
)
def test_a_ready_dataset_has_the_path_of_its_file_or_of_its_folder(
    state: DatasetState, paths: tuple[str, ...], path: str
) -> None:
    dataset = Dataset(dataset_id="d", header=header(*paths), state=state, received=(0,) * len(paths), create_time=0.0)
    assert dataset.path == path


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("a.npz", b"PK\x03\x04...."),
        ("a.npy", b"\x93NUMPY\x01\x00"),
        ("a.MAT", b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"),
        ("a.hdr", b"ENVI\n"),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.tiff", b"MM\0*"),
        ("a.jpg", b"\xff\xd8\xff\xe0"),
        ("a.img", b"anything"),
        ("plain", b""),
    ],
)
def test_a_file_that_begins_as_its_suffix_says_is_taken(path: str, head: bytes) -> None:
    check_head(path, head)


@pytest.mark.parametrize("suffix", ["npz", "npy", "mat", "hdr", "png", "jpg", "jpeg", "tif", "tiff"])
@pytest.mark.parametrize("head", [b"", b"\x7fELF" + bytes(130), b"<svg xmlns='x'>"])
def test_a_file_that_begins_otherwise_is_refused(suffix: str, head: bytes) -> None:
    with pytest.raises(Failure) as caught:
        check_head(f"folder/a.{suffix}", head)
    assert caught.value.reason is Reason.DATASET_INVALID
    assert caught.value.violations[0].subject == f"folder/a.{suffix}"
