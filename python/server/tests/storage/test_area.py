import asyncio
import os
import threading
from pathlib import Path
from typing import Protocol, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catenary_server.domain.failure import Failure, Reason
from catenary_server.storage.area import LocalArea
from catenary_server.storage.local import LocalStorage


class Digest(Protocol):
    roots: tuple[Path, ...]

    def digest(self) -> str: ...


def reason_of(caught: pytest.ExceptionInfo[Failure]) -> Reason:
    return caught.value.reason


async def test_what_was_written_is_found_read_and_named(area: LocalArea, artifacts: Path) -> None:
    place = area.locate("outputs/run/pipeline.yaml")
    await area.write({place: b"nodes"}, must_not_exist=False)
    assert place == artifacts / "outputs" / "run" / "pipeline.yaml"
    assert area.find("outputs/run/pipeline.yaml", (".yaml",)) == place
    assert await area.read(place) == b"nodes"
    assert area.name(place) == "outputs/run/pipeline.yaml"


async def test_a_name_and_an_absolute_path_inside_the_area_mean_the_same_file(area: LocalArea) -> None:
    place = area.locate("outputs/a.yaml")
    await area.write({place: b"1"}, must_not_exist=False)
    assert area.find(str(place), (".yaml",)) == area.find(area.name(place), (".yaml",)) == place


async def test_writing_again_replaces_the_file(area: LocalArea) -> None:
    place = area.locate("a.yaml")
    await area.write({place: b"first"}, must_not_exist=True)
    await area.write({place: b"second"}, must_not_exist=False)
    assert await area.read(place) == b"second"


async def test_a_file_that_must_not_exist_keeps_all_files_as_they_were(area: LocalArea) -> None:
    weights, graph = area.locate("a.safetensors"), area.locate("a.yaml")
    await area.write({graph: b"old"}, must_not_exist=False)
    with pytest.raises(Failure) as caught:
        await area.write({weights: b"new", graph: b"new"}, must_not_exist=True)
    assert reason_of(caught) is Reason.ARTIFACT_EXISTS
    assert caught.value.resource is not None
    assert caught.value.resource.name == "a.yaml"
    assert not weights.exists()
    assert await area.read(graph) == b"old"


async def test_of_many_writers_that_want_a_new_file_one_wins(area: LocalArea) -> None:
    place = area.locate("a.yaml")
    writers = (area.write({place: f"{i}".encode()}, must_not_exist=True) for i in range(16))
    results = await asyncio.gather(*writers, return_exceptions=True)
    assert results.count(None) == 1
    assert [p.name for p in place.parent.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize(
    ("present", "asked", "found"),
    [
        ("m.safetensors", "m.pt", "m.safetensors"),
        ("m.safetensors", "m", "m.safetensors"),
        ("m.safetensors", "m.safetensors", "m.safetensors"),
        ("m.v1.safetensors", "m.v1", "m.v1.safetensors"),
        ("m.pt", "m.pt", "m.pt"),
    ],
)
def test_a_sibling_with_a_known_suffix_is_found(
    area: LocalArea, artifacts: Path, present: str, asked: str, found: str
) -> None:
    (artifacts / present).write_bytes(b"")
    assert area.find(asked, (".safetensors",)).name == found


def test_a_sibling_with_a_known_suffix_comes_before_the_file_that_was_named(area: LocalArea, artifacts: Path) -> None:
    (artifacts / "m.pt").touch()
    (artifacts / "m.safetensors").touch()
    assert area.find("m.pt", (".safetensors",)).name == "m.safetensors"


@pytest.mark.parametrize("path", ["missing.yaml", "no/such/folder.yaml", "."])
def test_a_missing_file_is_not_found_under_the_name_that_was_asked_for(area: LocalArea, path: str) -> None:
    with pytest.raises(Failure) as caught:
        area.find(path, (".yaml",))
    assert reason_of(caught) is Reason.ARTIFACT_NOT_FOUND
    assert "ListAvailablePipelines" in str(caught.value)
    assert caught.value.resource is not None
    assert caught.value.resource.name == path


def test_data_is_found_below_the_data_roots_first_then_in_the_area(
    area: LocalArea, artifacts: Path, scenes: Path
) -> None:
    (artifacts / "own.npz").touch()
    (artifacts / "both.npz").touch()
    (scenes / "both.npz").touch()
    (scenes / "frames").mkdir()
    assert area.find_data("own.npz") == artifacts / "own.npz"
    assert area.find_data("both.npz") == scenes / "both.npz"
    assert area.find_data(str(scenes / "both.npz")) == scenes / "both.npz"
    assert area.find_data("frames") == scenes / "frames"
    assert area.name(scenes / "both.npz") == "both.npz"


def test_a_data_file_with_a_second_name_is_the_operators_choice(area: LocalArea, scenes: Path) -> None:
    (scenes / "a.npz").touch()
    os.link(scenes / "a.npz", scenes / "b.npz")
    assert area.find_data("b.npz") == scenes / "b.npz"


def test_missing_data_is_a_missing_dataset(area: LocalArea) -> None:
    with pytest.raises(Failure) as caught:
        area.find_data("lentils.cu3s")
    assert reason_of(caught) is Reason.DATASET_NOT_FOUND


@pytest.mark.parametrize("ask", ["find", "find_data", "locate"])
def test_an_absolute_path_outside_the_roots_is_refused_without_a_look(
    area: LocalArea, tmp_path: Path, outside: Digest, ask: str
) -> None:
    answers = set()
    for name in ("canary", "nothing-there"):
        with pytest.raises(Failure) as caught:
            _ask(area, ask, str(tmp_path / name))
        assert reason_of(caught) is Reason.PATH_INVALID
        answers.add(caught.value.message.replace(name, ""))
    assert len(answers) == 1


def _ask(area: LocalArea, ask: str, path: str) -> Path:
    return area.find(path, (".yaml",)) if ask == "find" else getattr(area, ask)(path)


@pytest.mark.parametrize("ask", ["find", "find_data", "locate"])
@pytest.mark.parametrize("path", ["link.yaml", "folder-link/key.yaml", "queue.yaml"])
def test_links_and_special_files_are_not_followed(
    area: LocalArea, artifacts: Path, outside: Digest, ask: str, path: str
) -> None:
    secret = artifacts.parent / "secret"
    (artifacts / "link.yaml").symlink_to(secret / "key.yaml")
    (artifacts / "folder-link").symlink_to(secret)
    os.mkfifo(artifacts / "queue.yaml")
    with pytest.raises(Failure) as caught:
        _ask(area, ask, path)
    assert reason_of(caught) is Reason.PATH_NOT_ALLOWED
    assert str(artifacts.parent) not in caught.value.message


async def test_a_file_with_a_second_name_outside_is_neither_found_nor_read(
    area: LocalArea, artifacts: Path, tmp_path: Path, outside: Digest
) -> None:
    os.link(tmp_path / "secret" / "key.yaml", artifacts / "key.yaml")
    with pytest.raises(Failure) as found:
        area.find("key.yaml", (".yaml",))
    with pytest.raises(Failure) as read:
        await area.read(artifacts / "key.yaml")
    assert reason_of(found) is reason_of(read) is Reason.PATH_NOT_ALLOWED


@pytest.mark.parametrize("name", ["link.yaml", "folder-link/new.yaml", "folder"])
async def test_nothing_is_written_through_links_or_over_folders(
    area: LocalArea, artifacts: Path, tmp_path: Path, outside: Digest, name: str
) -> None:
    (artifacts / "link.yaml").symlink_to(tmp_path / "canary")
    (artifacts / "folder-link").symlink_to(tmp_path / "secret")
    (artifacts / "folder").mkdir()
    before = outside.digest()
    with pytest.raises(Failure) as caught:
        await area.write({artifacts / name: b"x"}, must_not_exist=False)
    assert reason_of(caught) is Reason.PATH_NOT_ALLOWED
    assert outside.digest() == before


async def test_reading_a_queue_does_not_hang(area: LocalArea, artifacts: Path) -> None:
    os.mkfifo(artifacts / "queue")
    with pytest.raises(Failure) as caught:
        await area.read(artifacts / "queue")
    assert reason_of(caught) is Reason.PATH_NOT_ALLOWED


async def test_the_area_itself_is_no_file(area: LocalArea, artifacts: Path) -> None:
    assert area.locate(".") == artifacts
    with pytest.raises(Failure) as written:
        await area.write({area.locate("."): b""}, must_not_exist=False)
    with pytest.raises(Failure) as beside:
        await area.write({area.locate(".").with_suffix(".yaml"): b""}, must_not_exist=False)
    with pytest.raises(Failure) as read:
        await area.read(area.locate("."))
    assert reason_of(written) is reason_of(beside) is Reason.PATH_INVALID
    assert reason_of(read) is Reason.PATH_NOT_ALLOWED


class Swapper(threading.Thread):
    """A folder and a link take turns under one name, a file and a link under another, as fast as they can."""

    def __init__(self, root: Path, target: Path) -> None:
        super().__init__()
        self._root, self._target = root, target
        self._stop_now = threading.Event()
        (root / "turn").mkdir()
        (root / "turn" / "key.yaml").write_text("inside")
        (root / "trap").symlink_to(target)

    def run(self) -> None:
        root = self._root
        while not self._stop_now.is_set():
            (root / "turn").rename(root / "aside")
            (root / "trap").rename(root / "turn")
            (root / "spare.yaml").symlink_to(self._target / "key.yaml")
            (root / "spare.yaml").replace(root / "file.yaml")
            (root / "turn").rename(root / "trap")
            (root / "aside").rename(root / "turn")
            (root / "spare.yaml").write_text("inside")
            (root / "spare.yaml").replace(root / "file.yaml")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_now.set()
        self.join()


async def test_a_link_swapped_in_between_never_leads_outside(
    area: LocalArea, artifacts: Path, tmp_path: Path, outside: Digest
) -> None:
    before = outside.digest()
    outcomes: set[object] = set()
    with Swapper(artifacts, tmp_path / "secret"):
        for turn in range(600):
            try:
                outcomes.add(await area.read(artifacts / ("turn/key.yaml" if turn % 2 else "file.yaml")))
                await area.write({artifacts / "file.yaml": b"inside"}, must_not_exist=False)
            except Failure as failure:
                outcomes.add(failure.reason)
    assert b"inside" in outcomes
    assert outcomes <= {b"inside", Reason.ARTIFACT_NOT_FOUND, Reason.PATH_NOT_ALLOWED}
    assert outside.digest() == before


def test_principals_cannot_name_each_others_files(storage: LocalStorage) -> None:
    ada, eve = storage.area("ada"), storage.area("eve")
    asyncio.run(ada.write({ada.locate("model.yaml"): b"ada's"}, must_not_exist=False))
    absolute = str(ada.locate("model.yaml"))
    refused = {}
    for path in ("model.yaml", absolute):
        with pytest.raises(Failure) as caught:
            eve.find(path, (".yaml",))
        refused[path] = reason_of(caught)
    assert refused == {"model.yaml": Reason.ARTIFACT_NOT_FOUND, absolute: Reason.PATH_INVALID}
    with pytest.raises(Failure) as by_anonymous:
        storage.area("anonymous").find(absolute, (".yaml",))
    assert reason_of(by_anonymous) is Reason.PATH_INVALID


def test_names_of_principals_cannot_collide_or_leave_the_root(storage: LocalStorage, artifacts: Path) -> None:
    principals = ["ada", "Ada", "ada ", "../ada", "ada/..", "", ".", "..", "a" * 500, "\ud800", "-"]
    roots = {str(storage.area(principal).locate(".")).lower() for principal in principals}
    assert len(roots) == len(principals)
    assert all(Path(root).parent == artifacts / ".catenary-principals" for root in roots)


FRAGMENTS = st.sampled_from(
    [
        "..",
        ".",
        "",
        "a",
        "canary",
        "secret",
        "key.yaml",
        "~",
        "%2e%2e",
        "\uff0e\uff0e",
        "\0",
        "\\",
        "#",
        "file:",
        "link",
    ]
)
SEPARATORS = st.sampled_from(["/", "//", "\\", "%2f", "\uff0f"])


@st.composite
def hostile_paths(draw: st.DrawFn) -> str:
    parts = draw(st.lists(FRAGMENTS, min_size=1, max_size=6))
    text = parts[0]
    for part in parts[1:]:
        text += draw(SEPARATORS) + part
    return draw(st.sampled_from(["", "/", "../", "file://", "~/"])) + text


ANSWERS = {Reason.PATH_INVALID, Reason.PATH_NOT_ALLOWED, Reason.ARTIFACT_NOT_FOUND, Reason.DATASET_NOT_FOUND}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=hostile_paths(), ask=st.sampled_from(["locate", "find", "find_data"]))
def test_no_path_reads_or_writes_outside_the_roots(area: LocalArea, outside: Digest, path: str, ask: str) -> None:
    before = outside.digest()
    answer = _answer(area, ask, path)
    if isinstance(answer, Path) and ask == "locate":
        answer = _try_to_write(area, answer)
    if isinstance(answer, Failure):
        assert answer.reason in ANSWERS
        assert "/secret" not in answer.message.replace(ascii(path)[1:-1], "")
    else:
        assert any(answer.resolve().is_relative_to(root) for root in outside.roots)
    assert outside.digest() == before


def _answer(area: LocalArea, ask: str, path: str) -> Path | Failure:
    try:
        return _ask(area, ask, path)
    except Failure as failure:
        return failure


def _try_to_write(area: LocalArea, place: Path) -> Path | Failure:
    try:
        asyncio.run(area.write({place: b"written"}, must_not_exist=False))
    except Failure as failure:
        return failure
    return place
