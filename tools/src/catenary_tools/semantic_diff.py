"""Compares what two versions of the contract promise, beyond the shapes that buf compares.

Breaking: a narrower rule on what a request may hold, a wider rule on what a response may hold, a new field that a
request cannot do without, a status code dropped or added, another stream kind, capability or scope, a promise of
idempotency withdrawn, a MUST removed or weakened, a reason removed or answered otherwise. Everything else is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary_tools import rules
from catenary_tools.constraints import Direction
from catenary_tools.contract_facts import ContractFacts, MessageFacts, MethodFacts, ReasonFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message


@dataclass(frozen=True)
class Finding:
    """One difference: where it is, what it is, and whether it breaks clients."""

    place: str
    text: str
    breaking: bool

    def __str__(self) -> str:
        """Say it in one line, for people."""
        return f"{self.place}: {self.text}"


def compare(old_image: bytes, new_image: bytes) -> list[Finding]:
    """Return every difference from ``old_image`` to ``new_image``, in the order of their places."""
    old, new = ContractFacts.from_image(old_image), ContractFacts.from_image(new_image)
    findings = [
        *_methods(old, new),
        *_messages(old, new),
        *_requirements(old, new),
        *_reasons(old, new),
    ]
    return sorted(findings, key=lambda finding: finding.place)


def _methods(old: ContractFacts, new: ContractFacts) -> Iterator[Finding]:
    for name in old.methods.keys() - new.methods.keys():
        yield Finding(name, "the RPC is gone", breaking=True)
    for name in new.methods.keys() - old.methods.keys():
        yield Finding(name, "new RPC", breaking=False)
    for name in old.methods.keys() & new.methods.keys():
        yield from _method(name, old.methods[name], new.methods[name])


def _method(name: str, old: MethodFacts, new: MethodFacts) -> Iterator[Finding]:
    for what in ("stream_kind", "capability", "scope"):
        before, after = getattr(old, what), getattr(new, what)
        if before != after:
            yield Finding(name, f"{what.replace('_', ' ')}: {before or 'none'} -> {after or 'none'}", breaking=True)
    for code in sorted(old.codes - new.codes):
        yield Finding(name, f"status code {code} is dropped", breaking=True)
    for code in sorted(new.codes - old.codes):
        yield Finding(name, f"status code {code} is added", breaking=True)
    for what in ("idempotent", "no_side_effects"):
        before, after = getattr(old, what), getattr(new, what)
        if before != after:
            text = "is promised" if after else "is no longer promised"
            yield Finding(name, f"{what.replace('_', ' ')} {text}", breaking=before)


def _messages(old: ContractFacts, new: ContractFacts) -> Iterator[Finding]:
    for name in old.messages.keys() & new.messages.keys():
        before, after = old.messages[name], new.messages[name]
        uses = _Uses(in_requests=name in old.request_messages, in_responses=name in old.response_messages)
        yield from _rule_findings(name, before.rules, after.rules, uses)
        for oneof in before.oneofs.keys() | after.oneofs.keys():
            place = f"{name}.{oneof}"
            yield from _rule_findings(place, before.oneofs.get(oneof), after.oneofs.get(oneof), uses)
        yield from _fields(name, before, after, uses)


@dataclass(frozen=True)
class _Uses:
    """Where a message occurs, which decides the direction that breaks."""

    in_requests: bool
    in_responses: bool

    def broken_by(self, direction: Direction) -> bool:
        narrowed = self.in_requests and Direction.NARROWED in direction
        widened = self.in_responses and Direction.WIDENED in direction
        return narrowed or widened


def _fields(name: str, old: MessageFacts, new: MessageFacts, uses: _Uses) -> Iterator[Finding]:
    for number, after in sorted(new.fields.items()):
        place = f"{name}.{after.name}"
        before = old.fields.get(number)
        if before is not None:
            yield from _rule_findings(place, before.rules, after.rules, uses)
        elif uses.in_requests and rules.refuses_absence(after.rules, has_presence=after.has_presence):
            yield Finding(place, "new field that its rules do not let a request leave out", breaking=True)
        else:
            yield Finding(place, "new field", breaking=False)


def _rule_findings(place: str, old: Message | None, new: Message | None, uses: _Uses) -> Iterator[Finding]:
    for change in rules.compare(old, new):
        yield Finding(place, str(change), breaking=uses.broken_by(change.direction))


def _requirements(old: ContractFacts, new: ContractFacts) -> Iterator[Finding]:
    for requirement_id, before in sorted(old.requirements.items()):
        after = new.requirements.get(requirement_id)
        if after is None:
            yield Finding(requirement_id, f"requirement removed: {before.text}", breaking=before.is_must)
        elif before.is_must and not after.is_must:
            yield Finding(requirement_id, f"no longer a MUST: {before.text}", breaking=True)
        elif before != after:
            yield Finding(requirement_id, "requirement reworded or raised", breaking=False)
    for requirement_id in sorted(new.requirements.keys() - old.requirements.keys()):
        yield Finding(requirement_id, f"new requirement: {new.requirements[requirement_id].text}", breaking=False)


def _reasons(old: ContractFacts, new: ContractFacts) -> Iterator[Finding]:
    for name, before in sorted(old.reasons.items()):
        after = new.reasons.get(name)
        if after is None:
            yield Finding(name, "the reason is gone", breaking=True)
        else:
            yield from _reason(name, before, after)
    for name in sorted(new.reasons.keys() - old.reasons.keys()):
        yield Finding(name, "new reason", breaking=False)


def _reason(name: str, old: ReasonFacts, new: ReasonFacts) -> Iterator[Finding]:
    if old.code != new.code:
        yield Finding(name, f"code: {old.code} -> {new.code}", breaking=True)
    if old.retry != new.retry:
        # A client that waits and retries, or retries under the same id, must not be told later that it does harm.
        breaking = new.freedom < old.freedom
        yield Finding(name, f"retry: {old.retry} -> {new.retry}", breaking=breaking)
