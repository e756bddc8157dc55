from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from catenary.v1.dataset_requests_pb2 import GetDatasetRequest
from catenary_client.calls import identify
from catenary_client.uploads import files_to_send, header_of, summed

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *names: str) -> None:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)


def test_a_file_goes_by_its_name_and_a_folder_by_the_paths_below_it(tmp_path: Path) -> None:
    write(tmp_path, "bands/b.png", "bands/deep/a.png", "bands/.hidden", "bands/.git/x", "scene.npz")
    assert files_to_send([tmp_path / "scene.npz"]) == {"scene.npz": tmp_path / "scene.npz"}
    assert list(files_to_send([tmp_path / "bands"])) == ["b.png", "deep/a.png"]
    assert list(files_to_send([tmp_path / "scene.npz", tmp_path / "bands"])) == ["scene.npz", "b.png", "deep/a.png"]


def test_what_cannot_be_a_dataset_is_refused_here(tmp_path: Path) -> None:
    write(tmp_path, "a/x.npy", "b/x.npy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        files_to_send([tmp_path / "missing"])
    with pytest.raises(ValueError, match=r"both be 'x\.npy'"):
        files_to_send([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(ValueError, match="no file to upload"):
        files_to_send([tmp_path / "empty"])


def test_the_same_content_under_the_same_name_is_the_same_upload(tmp_path: Path) -> None:
    write(tmp_path, "a.npy", "b.npy")
    files = summed(files_to_send([tmp_path]))
    assert [(file.name, file.size) for file in files] == [("a.npy", 5), ("b.npy", 5)]
    assert files[0].sha256 == hashlib.sha256(b"a.npy").digest()
    header = header_of(files, name="n", labels={"a": "b", "c": "d"}, request_id="")
    assert header.request_id == header_of(files, name="n", labels={"c": "d", "a": "b"}, request_id="").request_id
    others = [
        header_of(files[:1], name="n", labels={"a": "b", "c": "d"}, request_id=""),
        header_of(files, name="m", labels={"a": "b", "c": "d"}, request_id=""),
        header_of(files, name="n", labels={}, request_id=""),
    ]
    assert header.request_id not in {other.request_id for other in others}
    assert len(header.request_id) <= 64
    assert header_of(files, name="n", labels={}, request_id="mine").request_id == "mine"


def test_a_key_to_find_something_by_is_not_made_up() -> None:
    request = GetDatasetRequest(dataset_id="d")
    identify(request)
    assert request == GetDatasetRequest(dataset_id="d")
