"""Plays a transcript again against a target, and says whether the same comes of it.

Ids are made anew by every server and every run. What a response of the target has where the recorded response had an
id takes the id's place in the requests that follow, and the run's nonce that of the recorded one.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2

from catenary_conformance.containment import missing
from catenary_conformance.conversation import NotAnswered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.conformance.v1.transcript_pb2 import Call, Transcript
    from catenary_conformance.conversation import Stream
    from catenary_conformance.target import Target

_NONCE = re.compile(r"conformance-([0-9a-f]{12})-")
_ID_CHARACTERS = 6
"""Least length of a text that is taken for an id; a shorter one may occur by chance."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ending:
    """How one call ended, then and now."""

    path: str
    recorded: str
    now: str
    missing: str = ""
    """The first response that was recorded and did not come now, as text; empty if none is missing."""

    @property
    def same(self) -> bool:
        """Whether it ended as it did, and every response came that was looked for."""
        return self.recorded == self.now and not self.missing


def replay(target: Target, written: Transcript, *, responses: bool = False) -> list[Ending]:
    """Make the calls of a transcript again, in its order.

    Args:
        target: where.
        written: the transcript.
        responses: whether to look for the recorded responses as well: each has to come, in their order, with every
            field that is recorded; others may come between them.
    """
    substitution = _Substitution(target, written)
    return [_played(target, call, substitution, responses=responses) for call in written.calls]


class _Substitution:
    """What stands for what in the requests that are still to come."""

    def __init__(self, target: Target, written: Transcript) -> None:
        self._texts: dict[str, str] = {}
        found = _NONCE.search(written.SerializeToString().decode("latin-1"))
        if found:
            self._texts[found.group(1)] = target.settings.nonce

    def learn(self, recorded: Message, live: Message) -> None:
        """Note texts that a live response has in the place of those of the recorded one."""
        now: dict[str, list[str]] = collections.defaultdict(list)
        for path, text in _texts(live):
            now[path].append(text)
        seen: collections.Counter[str] = collections.Counter()
        for path, old in _texts(recorded):
            new = now[path][seen[path]] if seen[path] < len(now[path]) else old
            seen[path] += 1
            if old != new and len(old) >= _ID_CHARACTERS:
                self._texts[old] = new

    def applied(self, request: Message) -> Message:
        """A request with what stands for what in it."""
        _replace(request, self._translated)
        return request

    def _translated(self, text: str) -> str:
        for old, new in self._texts.items():
            text = text.replace(old, new)
        return text


def _played(target: Target, call: Call, substitution: _Substitution, *, responses: bool) -> Ending:
    method = target.contract.methods.get(call.method_name)
    recorded = [each.received for each in call.events if each.WhichOneof("event") == "received"]
    token = any(entry.key == "authorization" for entry in call.metadata)
    seconds = max(call.deadline.ToMilliseconds() / 1000, 0.001)
    sent_token = {} if token else {"token": None}
    with (
        target.own_channel() as channel,
        target.stream(call.method_name, timeout=seconds, channel=channel, **sent_token) as stream,  # type: ignore[arg-type] # the one keyword
    ):
        for event in call.events:
            _play(stream, event, method, substitution)
        now = _ended(stream)
        for old, live in zip(recorded, stream.received, strict=False):
            if method is not None and isinstance(live, Message):
                substitution.learn(method.response.FromString(old), live)
    absent = None
    if responses and method is not None:
        expected = [substitution.applied(method.response.FromString(each)) for each in recorded]
        absent = missing(expected, stream.received)
    return Ending(call.method_name, _recorded_end(call), now, "" if absent is None else str(absent))


def _play(stream: Stream, event: Any, method: Any, substitution: _Substitution) -> None:  # noqa: ANN401 - typed by its kind
    kind = event.WhichOneof("event")
    if kind == "sent":
        stream.send(_request(method, event.sent, substitution))
    elif kind == "half_close":
        stream.half_close()
    elif kind == "cancel":
        stream.cancel()
    elif kind == "drop":
        stream.drop()
    elif kind == "received" and stream.answer is None:
        stream.receive()


def _request(method: Any, data: bytes, substitution: _Substitution) -> Message | bytes:  # noqa: ANN401 - a Method or None
    """A message of the RPC with new ids; bytes that are none, as they are."""
    if method is None:
        return data
    try:
        message: Message = method.request.FromString(data)
    except DecodeError:
        return data
    return substitution.applied(message) if message.ByteSize() == len(data) else data


def _ended(stream: Stream) -> str:
    try:
        answer = stream.end()
    except NotAnswered:
        return "no end"
    return f"{answer.code.name} / {answer.reason}" if answer.reason else answer.code.name


def _recorded_end(call: Call) -> str:
    ends = [event.end for event in call.events if event.WhichOneof("event") == "end"]
    if not ends:
        return "no end"
    name = code_pb2.Code.Name(ends[-1].code)
    return f"{name} / {ends[-1].reason}" if ends[-1].reason else name


def _texts(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a message with the path of its field."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            if isinstance(each, str):
                yield here, each
            elif isinstance(each, Message):
                yield from _texts(each, here)


def _replace(message: Message, translated: Any) -> None:  # noqa: ANN401 - text to text
    """Replace every text in a message; values of maps too, keys not."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _replace_in_map(field, value, translated)
        elif field.type == field.TYPE_STRING:
            if field.is_repeated:
                value[:] = [translated(each) for each in value]
            else:
                setattr(message, field.name, translated(value))
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                _replace(each, translated)


def _replace_in_map(field: Any, entries: Any, translated: Any) -> None:  # noqa: ANN401 - of any map
    kind = field.message_type.fields_by_name["value"]
    for key in list(entries):
        if kind.message_type is not None:
            _replace(entries[key], translated)
        elif kind.type == kind.TYPE_STRING:
            entries[key] = translated(entries[key])
