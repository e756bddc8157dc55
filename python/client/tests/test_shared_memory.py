from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary_client import UnsupportedError
from catenary_client.shared_memory import SHARED_FROM_BYTES, SharedMemory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

LENGTH = 8 * SHARED_FROM_BYTES
ONE = np.arange(SHARED_FROM_BYTES // 4, dtype=np.float32).reshape(-1, 64)


@pytest.fixture
def file() -> Iterator[Path]:
    made = Path("/dev/shm") / f"test-{secrets.token_hex(8)}"  # noqa: S108 - where segments are
    made.write_bytes(bytes(LENGTH))
    yield made
    made.unlink(missing_ok=True)


@pytest.fixture
def memory(file: Path) -> Iterator[SharedMemory]:
    made = SharedMemory(file.name, LENGTH)
    yield made
    made.close()


def test_elements_are_where_the_handle_says(memory: SharedMemory, file: Path) -> None:
    with memory.placed({"a": ONE, "b": ONE[:, ::2].astype(np.float64)}) as placed:
        content = file.read_bytes()
        for name, array in (("a", ONE), ("b", ONE[:, ::2].astype(np.float64))):
            tensor = placed[name]
            reference = tensor.shm_ref
            assert (reference.name, tuple(tensor.shape)) == (file.name, array.shape)
            place = slice(reference.byte_offset, reference.byte_offset + reference.byte_size)
            assert content[place] == array.tobytes()


def test_what_is_short_or_finds_no_room_is_left_out(memory: SharedMemory) -> None:
    large = np.zeros(LENGTH, np.uint8)
    with memory.placed({"short": ONE[:1], "one": ONE, "large": large}) as placed:
        assert set(placed) == {"one"}
    with memory.placed({"large": large, "one": ONE}) as placed:
        assert set(placed) == {"large"}


def test_ranges_under_way_never_overlap_and_come_back(memory: SharedMemory) -> None:
    random = np.random.default_rng(7)
    contexts: list[tuple[int, int, AbstractContextManager[object]]] = []
    for _ in range(300):
        if contexts and random.random() < 0.5:
            _, _, context = contexts.pop(random.integers(len(contexts)))
            context.__exit__(None, None, None)
            continue
        size = int(random.integers(SHARED_FROM_BYTES, 3 * SHARED_FROM_BYTES))
        context = memory.placed({"x": np.zeros(size, np.uint8)})
        placed = context.__enter__()
        if "x" in placed:
            begin = placed["x"].shm_ref.byte_offset
            assert begin + size <= LENGTH
            assert all(begin + size <= other or end <= begin for other, end, _ in contexts)
            contexts.append((begin, begin + size, context))
        else:
            context.__exit__(None, None, None)
    for _, _, context in contexts:
        context.__exit__(None, None, None)
    with memory.placed({"all": np.zeros(LENGTH, np.uint8)}) as placed:
        assert set(placed) == {"all"}


def test_nothing_finds_room_once_it_is_closed(memory: SharedMemory) -> None:
    memory.close()
    memory.close()
    with memory.placed({"one": ONE}) as placed:
        assert placed == {}


def test_a_segment_that_is_not_here_is_told_as_that(file: Path) -> None:
    with pytest.raises(UnsupportedError, match="same /dev/shm") as caught:
        SharedMemory("catenary-elsewhere", LENGTH)
    assert caught.value.reason == "SHM_DISABLED"
    with pytest.raises(UnsupportedError, match="another length"):
        SharedMemory(file.name, LENGTH + 1)


def test_no_name_of_a_server_leads_out_of_the_folder(tmp_path: Path, file: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(LENGTH))
    link = file.with_name(f"{file.name}-link")
    link.symlink_to(tmp_path / "secret")
    try:
        for name in (str(tmp_path / "secret"), f"../..{tmp_path}/secret", link.name):
            with pytest.raises(UnsupportedError):
                SharedMemory(name, LENGTH)
    finally:
        link.unlink()


def test_a_mapping_leaves_no_descriptor_open(file: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, opens nothing
    memory = SharedMemory(file.name, LENGTH)
    memory.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
