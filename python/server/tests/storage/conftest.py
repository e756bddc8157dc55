import hashlib
from pathlib import Path

import pytest

from catenary_server.storage.area import LocalArea
from catenary_server.storage.local import LocalStorage


class Outside:
    """Files around the roots that nothing may touch."""

    def __init__(self, folder: Path, roots: tuple[Path, ...]) -> None:
        self._folder = folder
        self.roots = roots

    def digest(self) -> str:
        state = hashlib.sha256()
        for path in sorted(self._folder.rglob("*")):
            if not any(path.is_relative_to(root) for root in self.roots):
                state.update(f"{path} {path.lstat().st_mode} ".encode())
                if path.is_file():
                    state.update(path.read_bytes())
        return state.hexdigest()


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    root = tmp_path / "artifacts"
    root.mkdir()
    return root


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    root = tmp_path / "scenes"
    root.mkdir()
    return root


@pytest.fixture
def outside(tmp_path: Path, artifacts: Path, scenes: Path) -> Outside:
    (tmp_path / "canary").write_text("untouched")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.yaml").write_text("secret")
    (artifacts / "link").symlink_to(tmp_path / "secret")
    return Outside(tmp_path, (artifacts, scenes))


@pytest.fixture
def storage(artifacts: Path, scenes: Path) -> LocalStorage:
    return LocalStorage(artifacts, [scenes])


@pytest.fixture
def area(storage: LocalStorage) -> LocalArea:
    return storage.area("anonymous")
