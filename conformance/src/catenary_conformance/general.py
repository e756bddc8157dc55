"""What holds for every RPC, and therefore stands with none: the sentences of the area ERR.

The contract states them in words, in `error.proto` and `options.proto`; here they have the ids that results are
reported under.
"""

from __future__ import annotations

from catenary_conformance.levels import Level, Requirement

_SUBJECT = "catenary.v1.ErrorReason"
_TEXTS = (
    "A request that breaks a field rule answers INVALID_ARGUMENT with FIELD_INVALID, and BadRequest names the field.",
    "A request that keeps every field rule is not refused with FIELD_INVALID for a rule of the contract.",
    "Bytes that are no message of the RPC answer INVALID_ARGUMENT with MALFORMED_MESSAGE; the connection stays up.",
    "A message above the limit of its RPC answers RESOURCE_EXHAUSTED, and the server serves on.",
    "Every refusal carries ErrorInfo of the domain catenary with a reason of the contract, and that reason's code.",
    "An RPC answers the codes that it declares and those that any RPC may answer; never UNKNOWN, never INTERNAL.",
    "No refusal shows a stack trace or a path of the server's own files.",
    "Where a server asks for tokens, a call without one answers UNAUTHENTICATED with TOKEN_MISSING.",
    "Where a server asks for tokens, a call with one it does not know answers UNAUTHENTICATED with TOKEN_INVALID.",
    "A call whose token lacks the scope that the RPC declares answers PERMISSION_DENIED with SCOPE_MISSING.",
    "A call ends with DEADLINE_EXCEEDED once its deadline has passed, and the server serves on.",
    "A client that cancels or leaves a call does no harm to the server's other calls.",
    "Fields that the server does not know are ignored.",
    "An RPC that the contract does not have answers UNIMPLEMENTED.",
    "An undefined enum value answers INVALID_ARGUMENT with FIELD_INVALID where a rule admits defined ones only.",
    "An RPC that is declared idempotent answers the same request with the same code when it comes again.",
)

GENERAL = tuple(
    Requirement(f"CAT-ERR-{number:03}", Level.MUST, _SUBJECT, text) for number, text in enumerate(_TEXTS, start=1)
)
"""General requirements, in the order of their ids."""
