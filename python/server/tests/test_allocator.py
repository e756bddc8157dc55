from __future__ import annotations

import subprocess
import sys

import pytest

ROUND = """
import resource
from catenary_server.allocator import keep_freed_memory
KEEP
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range(12):
    if number == 2:
        before = faults()
    blocks = [b"x" * (1 << 20) for _ in range(8)]
    del blocks
print(faults() - before)
"""


def page_faults(keep: str) -> int:
    """Pages that ten rounds of eight messages of 1 MiB fault in, after the first two."""
    program = ROUND.replace("KEEP", keep)
    ran = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="about the C library of Linux")
def test_messages_find_the_memory_of_those_before_them() -> None:
    assert 10 * page_faults("keep_freed_memory()") < page_faults("")
