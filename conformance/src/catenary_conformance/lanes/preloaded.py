"""What every lane needs, in memory before it is forked. Nothing here connects to anything."""

from __future__ import annotations

from catenary_conformance import collecting, execution, rpcs, target, workload
from catenary_conformance.contract import Contract
from catenary_conformance.strategies import near_miss

__all__ = ["collecting", "execution", "near_miss", "rpcs", "target", "workload"]

Contract.load()
