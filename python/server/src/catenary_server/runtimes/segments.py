"""Segments of shared memory with names, for the clients of one user on this machine.

A segment is a file in a folder in memory. Its life:

* It is made without a name, gets all its pages and a lock, and then its name: nobody ever sees half of one.
* The server keeps its descriptor and reads through that alone. A client that puts another file in the place of the
  name reaches nothing.
* The server does not map it. A client may cut the file short at any time, and reading a mapping beyond the end of its
  file kills the reader (SIGBUS); `preadv` just reads less.
* The lock ends with the process that made the segment, also by `kill -9`. So the next server knows what is left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import threading
from pathlib import Path

from catenary_server.domain.failure import Failure, Reason, Violation

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder that POSIX shared memory is in
"""Where Linux keeps shared memory that has names."""

PREFIX = "catenary-"
NAME_BYTES = 24
"""Random bytes of a name: 192 bits."""

_READ_BYTES = 1 << 30
"""Most bytes of one read; the kernel takes less than 2 GiB."""


class FileSegment:
    """Implements `domain.shared_memory.Segment` over a file.

    Args:
        folder: descriptor of the folder that has the name, or of none any more; stays its owner's.
        descriptor: the file; the segment's from now on.
        name: its name.
        nbytes: its length in bytes.
    """

    def __init__(self, folder: int, descriptor: int, name: str, nbytes: int) -> None:
        self._folder = folder
        self._name = name
        self._nbytes = nbytes
        self._lock = threading.Lock()
        self._descriptor: int | None = descriptor

    @property
    def name(self) -> str:
        """See the protocol."""
        return self._name

    @property
    def nbytes(self) -> int:
        """See the protocol."""
        return self._nbytes

    def read(self, offset: int, target: memoryview) -> None:
        """See the protocol. Releases the GIL."""
        # A descriptor of one's own: that of the segment may be closed meanwhile, and its number be another file's.
        descriptor = self._duplicate()
        try:
            taken = 0
            while taken < target.nbytes:
                part = target[taken : taken + _READ_BYTES]
                count = os.preadv(descriptor, [part], offset + taken)
                if count == 0:
                    raise Failure(Reason.SHM_RANGE, "the shared memory was cut short by a client; make a new session")
                taken += count
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """See the protocol."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(FileNotFoundError):  # a client may remove the name, it is of the same user
                os.unlink(self._name, dir_fd=self._folder)
            os.close(descriptor)

    def _duplicate(self) -> int:
        with self._lock:
            if self._descriptor is None:
                raise Failure(Reason.SESSION_CLOSING, "the session is being closed, its shared memory is gone")
            return os.dup(self._descriptor)


class FileSegments:
    """Implements `domain.shared_memory.SegmentSource` in a folder in memory.

    Args:
        folder: on a tmpfs.

    Raises:
        OSError: the folder is not there.
    """

    def __init__(self, folder: Path = SHARED_MEMORY) -> None:
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def create(self, nbytes: int) -> FileSegment:
        """See the protocol."""
        name = PREFIX + secrets.token_hex(NAME_BYTES)
        try:
            descriptor = self._allocate(nbytes)
        except OSError as error:
            raise _no_room(nbytes, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Given both folders, this follows the link in /proc to the file; without them it would link the link.
            os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except BaseException:
            os.close(descriptor)
            raise
        return FileSegment(self._folder, descriptor, name, nbytes)

    def sweep(self) -> int:
        """Remove what servers of this user left that were killed, and return how many; those of others alive stay."""
        found = os.listdir(self._folder)  # noqa: PTH208 - a descriptor: no path can be put in its place
        return sum(self._remove_left(name) for name in found if name.startswith(PREFIX))

    def close(self) -> None:
        """Give up the folder. Close the segments before."""
        os.close(self._folder)

    def _allocate(self, nbytes: int) -> int:
        descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=self._folder)
        try:
            # Now, not at the first touch: a machine without memory would kill whoever touches it.
            os.posix_fallocate(descriptor, 0, nbytes)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _remove_left(self, name: str) -> bool:
        try:
            found = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                return False
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError:
            return False  # another server was faster, or it is none of ours
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=self._folder)
        except OSError:
            return False  # its server lives, or another removed it
        else:
            return True
        finally:
            os.close(descriptor)


def _no_room(nbytes: int, error: OSError) -> Failure:
    return Failure(
        Reason.QUOTA_MEMORY,
        f"no room for {nbytes} bytes of shared memory: {error.strerror}; ask for less, or later",
        violations=(Violation("shared_memory_size_bytes", f"{nbytes} bytes: {error.strerror}"),),
        retry_after=5.0,
    )
