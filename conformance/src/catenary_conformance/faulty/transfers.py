"""Faults of pipelines on their way: downloads and uploads."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import accepts, after, answers, relays, request_for
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import nonce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

_UPLOAD = path("UploadPipeline")
_DIGEST_LENGTH = 32


def short_by_a_byte(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The last byte of the last chunk does not come."""
    held = None
    for message in messages:
        if held is not None:
            yield held
        held = message
    if held is not None:
        held.chunk.content = held.chunk.content[:-1]
        yield held


def another_digest(response: Fields) -> None:
    """The first message declares another digest than the bytes have."""
    if response.HasField("files"):
        response.files.definition.sha256 = bytes(_DIGEST_LENGTH)


def for_everybody(exchange: Exchange, forward: Forward) -> Answer:
    """What one principal saved, every other may download."""
    owners = exchange.memory.take("owners", {})
    request = exchange.first()
    if exchange.method == path("DownloadPipeline"):
        owner = owners.get(_stem(request.pipeline_path), exchange.metadata)
        return forward(replace(exchange, metadata=owner))
    name = request.header.pipeline_path if exchange.method == _UPLOAD else request.pipeline_path
    owners.setdefault(_stem(name), exchange.metadata)
    return forward(exchange)


def written_anew(exchange: Exchange, forward: Forward) -> Answer:
    """The definition of an uploaded pipeline comes back with a line more, and is declared so."""
    uploaded = exchange.memory.take("uploaded", set())
    if exchange.method == _UPLOAD:
        return after(lambda _, request, status: _note(uploaded, request, status))(exchange, forward)
    if _stem(exchange.first().pipeline_path) not in uploaded:
        return forward(exchange)
    return relays(_with_a_line_more)(exchange, forward)


def _note(uploaded: set[str], request: Fields, status: Status) -> None:
    if not status.code:
        uploaded.add(_stem(request.header.pipeline_path))


def _with_a_line_more(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    everything = list(messages)
    chunks = [each.chunk for each in everything if each.HasField("chunk") and each.chunk.file_index == 0]
    if chunks:
        chunks[-1].content += b"\n"
        content = b"".join(chunk.content for chunk in chunks)
        declared = everything[0].files.definition
        declared.size_bytes, declared.sha256 = len(content), hashlib.sha256(content).digest()
    yield from everything


def uploaded_as_asked(exchange: Exchange) -> list[Message]:
    """An answer with the path of the header."""
    response = exchange.response()
    response.pipeline_path = exchange.first().header.pipeline_path
    return [response]


def _stem(name: str) -> str:
    return name.removesuffix(".yaml")


# Witnesses.


def downloaded(stand: Stand) -> object:
    """Whether what was saved comes whole, and whether another principal may have it."""
    session, name = stand.ready(), nonce()
    stand.call("SavePipeline", session_id=session, pipeline_path=name)
    heard = stand.call("DownloadPipeline", pipeline_path=name)
    files = heard.messages[0].files
    whole = []
    for index, declared in enumerate((files.definition, files.weights)):
        chunks = (each.chunk for each in heard.messages[1:])
        content = b"".join(chunk.content for chunk in chunks if chunk.file_index == index)
        whole.append(hashlib.sha256(content).digest() == declared.sha256)
    return whole, len(heard.messages), stand.other("DownloadPipeline", pipeline_path=name).outcome


def uploaded(stand: Stand) -> object:
    """What is said of a good upload and of one with another digest, and whether the same bytes come back."""
    content, told = b'{"nodes": [{"name": "unit", "class_name": "PixelUnitNormalizer"}]}', []
    for digest in (hashlib.sha256(content).digest(), bytes(_DIGEST_LENGTH)):
        name = nonce()
        files = {"definition": {"path": "definition.yaml", "size_bytes": len(content), "sha256": digest}}
        header = request_for(_UPLOAD, header={"pipeline_path": name, "files": files})
        heard = stand.call("UploadPipeline", header, request_for(_UPLOAD, chunk={"content": content}))
        back = stand.call("DownloadPipeline", pipeline_path=name)
        told.append((heard.outcome, b"".join(each.chunk.content for each in back.messages) == content))
    return told


MUTANTS = (
    mutant(
        "PIP-020",
        "short-by-a-byte",
        "DownloadPipeline",
        "The last byte of a download does not come.",
        relays(short_by_a_byte),
        downloaded,
    ),
    mutant(
        "PIP-020",
        "another-digest",
        "DownloadPipeline",
        "The digest that is declared is not that of the bytes.",
        answers(another_digest),
        downloaded,
    ),
    mutant(
        "PIP-021",
        "for-everybody",
        ["SavePipeline", "UploadPipeline", "DownloadPipeline"],
        "A saved pipeline can be downloaded by every principal.",
        for_everybody,
        downloaded,
    ),
    mutant(
        "PIP-022",
        "takes-any-digest",
        "UploadPipeline",
        "An upload with another digest is taken.",
        accepts("UPLOAD_CHECKSUM_MISMATCH", answer=uploaded_as_asked),
        uploaded,
    ),
    mutant(
        "PIP-023",
        "written-anew",
        ["UploadPipeline", "DownloadPipeline"],
        "An uploaded definition comes back changed.",
        written_anew,
        uploaded,
    ),
)
