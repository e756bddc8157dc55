"""A private folder for each worker: where it works and leaves scratch files, and which goes when it goes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "catenary-workers-"
_LOCK = "lock"


class WorkFolders:
    """The folders of one server's workers, below one that only its user can enter.

    It holds a lock while the server lives, so that a later server can tell what one that was killed left behind.

    Args:
        parent: where to make it; the system's place for scratch files by default.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._sweep()
        self.root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
        self._lock = os.open(self.root / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def make(self) -> Path:
        """A new folder for a worker."""
        return Path(tempfile.mkdtemp(prefix="worker-", dir=self.root))

    def remove(self, folder: Path) -> None:
        """Remove the folder of a worker that is gone."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove all that is left. Idempotent."""
        if self._lock >= 0:
            shutil.rmtree(self.root, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def _sweep(self) -> None:
        """Remove what servers of this user left that do not live any more."""
        for left in self._parent.glob(f"{_PREFIX}*"):
            if left.is_symlink() or not left.is_dir() or left.stat().st_uid != os.getuid():
                continue
            try:
                lock = os.open(left / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue  # a server that starts at this moment has made no lock yet
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            except BlockingIOError:
                pass  # its server lives
            finally:
                os.close(lock)
