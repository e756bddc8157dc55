from __future__ import annotations

import sys
from pathlib import Path

# What the tests of several layers stand on; no package, so that it needs no installation.
sys.path.insert(0, str(Path(__file__).parent / "support"))
