from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from catenary_server.runtimes.work_folders import WorkFolders

if TYPE_CHECKING:
    from pathlib import Path


def test_each_worker_has_a_folder_that_only_its_user_can_enter(tmp_path: Path) -> None:
    folders = WorkFolders(tmp_path)
    one, two = folders.make(), folders.make()
    assert one != two
    assert stat.S_IMODE(folders.root.stat().st_mode) == stat.S_IMODE(one.stat().st_mode) == 0o700
    (one / "scratch").mkdir()
    folders.remove(one)
    assert not one.exists()
    folders.close()
    folders.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_is_swept_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    living = WorkFolders(tmp_path)
    in_use = living.make()
    left = tmp_path / "catenary-workers-left"
    (left / "worker-x").mkdir(parents=True)
    (left / "lock").touch()
    unlocked = tmp_path / "catenary-workers-starting"
    unlocked.mkdir()
    foreign = tmp_path / "elsewhere"
    foreign.mkdir()
    (tmp_path / "catenary-workers-link").symlink_to(foreign)
    WorkFolders(tmp_path).close()
    assert not left.exists()
    assert in_use.exists()
    assert unlocked.exists()
    assert foreign.exists()
