"""Exchanges with a target as messages that can be stored, recognised and played again."""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from catenary.conformance.v1 import transcript_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_conformance.contract import Contract, Method
    from catenary_conformance.recording import CallRecord, Event

SUFFIX = ".transcript.json"
_SHOWN_CHARACTERS = 2000


def transcript(calls: Sequence[CallRecord], file_name: str = "") -> transcript_pb2.Transcript:
    """The calls of a case as a message."""
    written = transcript_pb2.Transcript(calls=[_call(each) for each in calls])
    written.content_sha256 = digest(written)
    if file_name:
        written.replay_command = f"catenary-conformance replay {shlex.quote(file_name)} HOST:PORT"
    return written


def digest(written: transcript_pb2.Transcript) -> bytes:
    """SHA-256 of what stays the same from run to run: which calls, what was done on each, and how each ended."""
    hashed = hashlib.sha256()
    for call in written.calls:
        hashed.update(call.method_name.encode())
        for event in call.events:
            kind = event.WhichOneof("event") or ""
            if kind != "received":  # how many responses come before the end depends on who is faster
                hashed.update(f"\0{kind}\0{event.end.code}\0{event.end.reason}".encode())
        hashed.update(b"\n")
    return hashed.digest()


def grpcurl(contract: Contract, call: transcript_pb2.Call, address: str) -> str:
    """A command line of grpcurl that makes a unary call again; empty where the request is no message."""
    method = contract.methods.get(call.method_name)
    sent = [event.sent for event in call.events if event.WhichOneof("event") == "sent"]
    if method is None or method.client_streaming or len(sent) != 1:
        return ""
    text = shown(method, sent[0])
    return f"grpcurl -plaintext -d {shlex.quote(text)} {address} {method.full_name[::-1].replace('.', '/', 1)[::-1]}"


def shown(method: Method, data: bytes, *, response: bool = False) -> str:
    """A message as JSON in one line; what is none, in hexadecimal."""
    try:
        message = (method.response if response else method.request).FromString(data)
        return json_format.MessageToJson(message, indent=None)
    except (DecodeError, ValueError):
        return data.hex()


def told(contract: Contract, written: transcript_pb2.Transcript) -> str:
    """A transcript for people, a line for each thing that happened."""
    lines = []
    for call in written.calls:
        method = contract.methods.get(call.method_name)
        lines.append(call.method_name)
        lines += [f"  {_told(method, event)}" for event in call.events]
    return "\n".join(lines)


def _told(method: Method | None, event: transcript_pb2.Event) -> str:
    kind = event.WhichOneof("event") or ""
    when = f"{event.offset.ToMilliseconds():6d} ms"
    if kind in {"sent", "received"}:
        data = event.sent if kind == "sent" else event.received
        text = data.hex() if method is None else shown(method, data, response=kind == "received")
        return f"{when}  {'->' if kind == 'sent' else '<-'} {text[:_SHOWN_CHARACTERS]}"
    if kind == "end":
        reason = f" / {event.end.reason}" if event.end.reason else ""
        return f"{when}  end {code_pb2.Code.Name(event.end.code)}{reason}"
    return f"{when}  {kind.replace('_', ' ')}"


def _call(record: CallRecord) -> transcript_pb2.Call:
    call = transcript_pb2.Call(method_name=record.path, events=[_event(each) for each in record.events])
    call.deadline.FromMilliseconds(round(record.deadline * 1000))
    for key, value in record.metadata:
        call.metadata.add(key=key, value=value if isinstance(value, bytes) else value.encode())
    return call


def _event(event: Event) -> transcript_pb2.Event:
    found = transcript_pb2.Event()
    found.offset.FromMicroseconds(round(event.offset * 1e6))
    if event.kind == "sent":
        found.sent = event.data
    elif event.kind == "received":
        found.received = event.data
    elif event.kind == "end":
        found.end.SetInParent()
        if event.answer is not None:
            found.end.code = event.answer.code.value[0]
            found.end.reason, found.end.status = event.answer.reason, event.answer.status
    else:
        getattr(found, event.kind).SetInParent()
    return found
