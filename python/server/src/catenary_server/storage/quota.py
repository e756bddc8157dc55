"""How much of the disk a principal may use."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from catenary_server.domain.client_path import RESERVED_PREFIX
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.storage.dataset_places import RECORDS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RETRY_AFTER_S = 60.0


def used_bytes(root: Path) -> int:
    """Bytes of all files of a principal; what else the server keeps in the folder of the artifacts does not count."""
    total = 0
    for folder, folders, names in os.walk(root):
        if folder == str(root):
            folders[:] = [name for name in folders if name == RECORDS_FOLDER or not name.startswith(RESERVED_PREFIX)]
        for name in names:
            with contextlib.suppress(OSError):  # it went away meanwhile
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - a Path for each file is slow
    return total


@dataclasses.dataclass(frozen=True, slots=True)
class Room:
    """What a principal may still write: `used` counts the bytes that are taken or promised, `quota` is the bound."""

    used: Callable[[], int]
    quota: int

    def require(self, wanted: int) -> None:
        """Refuse bytes beyond the quota.

        Raises:
            Failure: QUOTA_DISK.
        """
        used = self.used()
        if used + wanted > self.quota:
            fault = Violation(
                "principal_size_bytes", f"{used} of {self.quota} bytes are used, {wanted} more are wanted"
            )
            raise Failure(
                Reason.QUOTA_DISK,
                f"your files would take more than {self.quota} bytes; delete datasets or saved files first",
                violations=(fault,),
                retry_after=_RETRY_AFTER_S,
            )
