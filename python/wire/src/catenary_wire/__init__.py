"""What both ends of the contract share: tensors, payloads without copies, errors and names."""

from catenary_wire.errors import Failure, Resource, Violation, failure_of, status_of
from catenary_wire.payloads import Payloads, join, split
from catenary_wire.tensors import to_numpy, to_proto

__all__ = [
    "Failure",
    "Payloads",
    "Resource",
    "Violation",
    "failure_of",
    "join",
    "split",
    "status_of",
    "to_numpy",
    "to_proto",
]
