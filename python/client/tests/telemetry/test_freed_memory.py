from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
from catenary_client.telemetry.delivery import keep_freed_memory

def send():
    message = b"x" * 500_000
    copy = message + b"y"

def faults():
    send()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        send()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
keep_freed_memory()
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they like")
def test_memory_of_messages_is_used_again_instead_of_fetched_anew() -> None:
    untuned = {name: value for name, value in os.environ.items() if not name.startswith(("GLIBC_", "MALLOC_"))}
    said = subprocess.run([sys.executable, "-c", _FAULTS], env=untuned, capture_output=True, text=True, check=True)
    before, after = map(int, said.stdout.split())
    assert before > 20 * 100
    assert after < 20 * 10
