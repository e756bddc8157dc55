"""What workers learn of the operator's environment.

Nodes run in workers, write files and start processes of their own: a token or a cloud key that the operator exported
for something else must not be there to leak. So workers get only variables that name places, locale, or that tune the
libraries they compute with.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = frozenset(
    {
        "HOME",  # caches of torch and matplotlib
        "LANG",  # encoding of messages
        "LD_LIBRARY_PATH",  # where CUDA is
        "LD_PRELOAD",  # an operator's allocator
        "PATH",  # compilers of torch.compile
        "TMPDIR",  # scratch files
        "TZ",  # times in logs
        "USER",  # torch names its cache after it
        "VIRTUAL_ENV",  # where packages are
    }
)
"""Variables a worker gets, by name."""

ALLOWED_PREFIXES = (
    "COVERAGE_",  # measuring workers under test
    "CUBLAS_",  # reproducible matrix products
    "CUDA_",  # which accelerators are visible
    "GLIBC_TUNABLES",  # huge pages of the allocator, see the launcher
    "KMP_",  # threads
    "LC_",  # locale
    "MALLOC_",  # allocator
    "MKL_",  # threads
    "MPL",  # matplotlib's cache and backend
    "NCCL_",  # links between accelerators
    "NVIDIA_",  # which accelerators a container sees
    "OMP_",  # threads
    "OPENBLAS_",  # threads
    "PYTHON",  # interpreter flags, PYTHONPATH
    "PYTORCH_",  # allocator of CUDA
    "TORCH",  # torch's own switches
    "XDG_",  # caches
)
"""Variables a worker gets, by the start of their names."""


@contextlib.contextmanager
def scrubbed_environment() -> Iterator[None]:
    """Take every other variable away while a process is started, so that not even its `/proc` entry has them.

    The environment belongs to the whole process: use it before threads run that read it.
    """
    hidden = scrub()
    try:
        yield
    finally:
        os.environ.update(hidden)


def scrub() -> dict[str, str]:
    """Take every other variable out of this process's environment, and return them."""
    hidden = {name: value for name, value in os.environ.items() if not _allowed(name)}
    for name in hidden:
        del os.environ[name]
    return hidden


def _allowed(name: str) -> bool:
    return name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
