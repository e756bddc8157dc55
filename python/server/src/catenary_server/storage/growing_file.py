"""A file that arrives in pieces, each on the disk before the next is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from typing import TYPE_CHECKING

from catenary_server.domain.threads import in_thread
from catenary_server.storage.confinement import Place, open_folder
from catenary_server.storage.faults import as_failures

if TYPE_CHECKING:
    from collections.abc import Iterator

SYNC_EVERY_BYTES = 64 * 1024 * 1024
"""What may wait in memory of the operating system for the disk."""
_READ_BYTES = 1024 * 1024
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalGrowingFile:
    """A `GrowingFile` on the local disk; made by `open`.

    Args:
        grown: where it grows.
        kept: where it is when it is whole.
    """

    def __init__(self, grown: Place, kept: Place) -> None:
        self._descriptor: int | None = None
        self._grown = grown
        self._kept = kept
        self._size = 0
        self._synced = 0
        self._digest = hashlib.sha256()
        self._turn = threading.Lock()

    @staticmethod
    async def open(grown: Place, kept: Place) -> LocalGrowingFile:
        """Open a file behind the bytes it has, which are read once for their digest."""
        file = LocalGrowingFile(grown, kept)
        try:
            await in_thread(file._open)
        except BaseException:
            await file.close()
            raise
        return file

    @property
    def size(self) -> int:
        """See `GrowingFile.size`."""
        return self._size

    def sha256(self) -> bytes:
        """See `GrowingFile.sha256`."""
        return self._digest.digest()

    async def append(self, content: memoryview) -> None:
        """See `GrowingFile.append`."""
        await in_thread(self._append, content)

    async def head(self, count: int) -> bytes:
        """See `GrowingFile.head`."""
        return await in_thread(self._head, count)

    async def flush(self) -> None:
        """See `GrowingFile.flush`."""
        await in_thread(self._flush)

    async def clear(self) -> None:
        """See `GrowingFile.clear`."""
        await in_thread(self._clear)

    async def keep(self) -> None:
        """See `GrowingFile.keep`."""
        await in_thread(self._keep)

    async def close(self) -> None:
        """See `GrowingFile.close`."""
        await in_thread(self._close)

    def _open(self) -> None:
        with as_failures(self._kept.name), open_folder(self._grown.root, self._grown.parts[:-1], create=True) as folder:
            self._descriptor = os.open(self._grown.parts[-1], _OPEN, mode=0o644, dir_fd=folder)
            os.fsync(folder)
        with self._using() as descriptor:
            while piece := os.pread(descriptor, _READ_BYTES, self._size):
                self._digest.update(piece)
                self._size += len(piece)

    def _append(self, content: memoryview) -> None:
        with self._using() as descriptor:
            try:
                written = 0
                while written < len(content):
                    written += os.pwrite(descriptor, content[written:], self._size + written)
                if self._size + written - self._synced >= SYNC_EVERY_BYTES:
                    os.fsync(descriptor)
                    self._synced = self._size + written
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, self._size)
                raise
            self._digest.update(content)
            self._size += written

    def _head(self, count: int) -> bytes:
        with self._using() as descriptor:
            return os.pread(descriptor, count, 0)

    def _flush(self) -> None:
        with self._turn, as_failures(self._kept.name):
            if self._descriptor is not None:
                os.fsync(self._descriptor)

    def _clear(self) -> None:
        with self._using() as descriptor:
            os.ftruncate(descriptor, 0)
            self._size = self._synced = 0
            self._digest = hashlib.sha256()

    def _keep(self) -> None:
        self._close()
        with (
            as_failures(self._kept.name),
            open_folder(self._grown.root, self._grown.parts[:-1]) as source,
            open_folder(self._kept.root, self._kept.parts[:-1], create=True) as target,
        ):
            os.replace(self._grown.parts[-1], self._kept.parts[-1], src_dir_fd=source, dst_dir_fd=target)
            os.fsync(target)
            os.fsync(source)

    def _close(self) -> None:
        with self._turn, as_failures(self._kept.name):
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    @contextlib.contextmanager
    def _using(self) -> Iterator[int]:
        """The descriptor, which nobody else uses or closes meanwhile."""
        with self._turn, as_failures(self._kept.name):
            if self._descriptor is None:
                message = "the file is closed"
                raise AssertionError(message)
            yield self._descriptor
