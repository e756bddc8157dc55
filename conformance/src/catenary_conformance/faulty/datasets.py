"""Faults of datasets: uploads, lists, and what is left of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    accepts,
    after,
    answers,
    drop_last,
    ends,
    invalid,
    overhears,
    relays,
    request_for,
    says,
)
from catenary_conformance.faulty.exchange import (
    ALREADY_EXISTS,
    INVALID_ARGUMENT,
    NOT_FOUND,
    Answer,
    refusal,
    refused,
)
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.ownership import found_when_deleted, lists_of_all, shown_to_all
from catenary_conformance.faulty.stand import nonce, npy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from catenary_conformance.faulty.caller import Caller, Heard
    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

_UPLOADING, _READY = 1, 2
_UPLOAD = path("UploadDataset")
UNKNOWN_DATASET = refusal(NOT_FOUND, "DATASET_NOT_FOUND")


def forgets_bytes(response: Fields) -> None:
    """What was received of an unfinished upload is told as nothing."""
    if response.dataset.state == _UPLOADING:
        for file in response.dataset.files:
            file.received_size_bytes = 0


def forgets_in_time(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """What was received of an unfinished upload is gone when it is asked for again."""
    for message in messages:
        if exchange.memory.count(message.dataset.dataset_id) > 1:
            forgets_bytes(message)
        yield message


def first_header(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Whatever header comes with a request_id that was used, the first one counts."""
    for message in messages:
        if message.HasField("header") and message.header.request_id:
            kept = exchange.memory.take(message.header.request_id, message.header)
            message.header.CopyFrom(kept)
        yield message


def path_inside(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """A path that leaves the dataset is made one that does not."""
    for message in messages:
        for file in message.header.files:
            file.path = file.path.replace("..", "up").lstrip("/")
        yield message


def without_next_offset(status: Status) -> Status:
    """The status does not say where to go on."""
    return refusal(status.code, status.reason) if status.reason == "UPLOAD_OFFSET_MISMATCH" else status


def ready_anyway(exchange: Exchange) -> list[Message]:
    """A dataset that is READY, whatever its bytes are."""
    response = exchange.response()
    header = exchange.first().header
    response.dataset.name, response.dataset.request_id, response.dataset.state = header.name, header.request_id, _READY
    return [response]


def once_only(exchange: Exchange, forward: Forward) -> Answer:
    """A finished upload is refused when it is sent again."""
    finished = exchange.memory.take("finished", set())
    request_id = exchange.first().header.request_id
    if request_id in finished:
        return refused(refusal(ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT"))
    note = after(lambda _, request, status: None if status.code else finished.add(request.header.request_id))
    return note(exchange, forward)


def second_delete_fails(exchange: Exchange, forward: Forward) -> Answer:
    """What was deleted once is not found by the next DeleteDataset."""
    deleted = exchange.memory.take("deleted", set())
    if exchange.first().dataset_id in deleted:
        return refused(UNKNOWN_DATASET)
    return after(lambda _, request, status: None if status.code else deleted.add(request.dataset_id))(exchange, forward)


# Witnesses.

CONTENT = npy(range(2 * 2 * 3), (2, 2, 3))


def upload(
    caller: Caller,
    request_id: str,
    *,
    content: bytes = CONTENT,
    digest: bytes = b"",
    name: str = "scene.npy",
    until: int = 0,
) -> Heard:
    """Send a dataset of one file, or its first bytes only."""
    file = {"path": name, "size_bytes": len(content), "sha256": digest or hashlib.sha256(content).digest()}
    header = {"request_id": request_id, "name": "witness", "files": [file]}
    messages = [request_for(_UPLOAD, header=header), request_for(_UPLOAD, chunk={"content": content[: until or None]})]
    return caller("UploadDataset", *messages)


def uploads(stand: Stand) -> object:
    """What is said of uploads that are repeated, out of place, wrong, and of another header."""
    done, begun = nonce(), nonce()
    first = upload(stand.call, done)
    again = upload(stand.call, done)
    other = upload(stand.call, done, name="other.npy")
    wrong = upload(stand.call, nonce(), digest=bytes(32))
    outside = upload(stand.call, nonce(), name="../scene.npy")
    upload(stand.direct, begun, until=100)
    misplaced = upload(stand.call, begun)
    details = [detail.value for detail in misplaced.status.rich.details]
    told = [each.outcome for each in (first, again, other, wrong, outside, misplaced)]
    return told, any(b"next_offset" in each for each in details)


def found(stand: Stand) -> object:
    """What is said of a dataset that is unfinished, that is of somebody else, that is deleted, and that never was."""
    begun, done = nonce(), nonce()
    upload(stand.direct, begun, until=100)
    dataset = upload(stand.call, done).answer.dataset.dataset_id
    unfinished = [
        stand.call("GetDataset", request_id=begun).answer.dataset.files[0].received_size_bytes for _ in range(2)
    ]
    seen = [caller("GetDataset", dataset_id=dataset).outcome for caller in (stand.call, stand.other)]
    deleted = [stand.call("DeleteDataset", dataset_id=dataset).outcome for _ in range(2)]
    return unfinished, seen, deleted, [stand.call("GetDataset", dataset_id=each).outcome for each in (dataset, "never")]


def listed(stand: Stand) -> object:
    """How many datasets of two tenants are listed, all in one page and page by page."""
    for caller in (stand.direct, stand.direct, stand.other):
        upload(caller, nonce())
    upload(stand.direct, nonce(), until=100)
    stand.other("ListDatasets")
    count, token = 0, ""
    while True:
        page = stand.call("ListDatasets", page_size=2, page_token=token).answer
        count, token = count + len(page.datasets), page.next_page_token
        if not token:
            break
    return len(stand.call("ListDatasets").answer.datasets), count


def finished_only(response: Fields) -> None:
    """Unfinished uploads are left out of a list."""
    kept = [each for each in response.datasets if each.state == _READY]
    del response.datasets[:]
    response.datasets.extend(kept)


MUTANTS = (
    mutant(
        "DAT-001",
        "forgets-bytes",
        "GetDataset",
        "An unfinished upload is said to begin at 0.",
        answers(forgets_bytes),
        found,
    ),
    mutant(
        "DAT-002",
        "does-not-say-where-to-go-on",
        "UploadDataset",
        "A chunk out of place is refused without next_offset.",
        ends(without_next_offset),
        uploads,
    ),
    mutant(
        "DAT-002",
        "offset-is-a-field",
        "UploadDataset",
        "A chunk out of place is called an invalid field.",
        says("UPLOAD_OFFSET_MISMATCH", instead=invalid(field_path="chunk.offset")),
        uploads,
    ),
    mutant(
        "DAT-003",
        "takes-any-digest",
        "UploadDataset",
        "A file with another digest is taken.",
        accepts("UPLOAD_CHECKSUM_MISMATCH", answer=ready_anyway),
        uploads,
    ),
    mutant(
        "DAT-004",
        "any-header-for-a-request-id",
        "UploadDataset",
        "A request_id that was used takes any header.",
        overhears(first_header),
        uploads,
    ),
    mutant(
        "DAT-005",
        "uploads-once",
        "UploadDataset",
        "A finished upload is refused when it comes again.",
        once_only,
        uploads,
    ),
    mutant(
        "DAT-006",
        "changes-paths",
        "UploadDataset",
        "A path that leaves the dataset is changed to one that does not.",
        overhears(path_inside),
        uploads,
    ),
    mutant(
        "DAT-007",
        "lists-datasets-of-others",
        "ListDatasets",
        "A list ends with the datasets of other principals.",
        lists_of_all("datasets"),
        listed,
    ),
    mutant(
        "DAT-007",
        "lists-finished-ones",
        "ListDatasets",
        "Unfinished datasets are not listed.",
        answers(finished_only),
        listed,
    ),
    mutant(
        "DAT-008",
        "skips-at-the-edge-of-a-page",
        "ListDatasets",
        "The last dataset of each page but the last is left out.",
        answers(lambda response: response.next_page_token and drop_last("datasets")(response)),
        listed,
    ),
    mutant(
        "DAT-009",
        "shows-foreign-datasets",
        ["UploadDataset", "GetDataset"],
        "A dataset is shown to every principal.",
        shown_to_all("dataset_id", within="dataset"),
        found,
    ),
    mutant(
        "DAT-009",
        "unknown-is-invalid",
        "GetDataset",
        "An unknown dataset is called an invalid argument.",
        says("DATASET_NOT_FOUND", instead=refusal(INVALID_ARGUMENT, "FIELD_INVALID", field_path="dataset_id")),
        found,
    ),
    mutant(
        "DAT-010",
        "forgets-bytes-in-time",
        "GetDataset",
        "What was received of an upload is gone a little later.",
        relays(forgets_in_time),
        found,
    ),
    mutant("DAT-011", "deletes-once", "DeleteDataset", "Deleting a deleted dataset fails.", second_delete_fails, found),
    mutant(
        "DAT-012",
        "still-found",
        ["GetDataset", "DeleteDataset"],
        "A deleted dataset is still found.",
        found_when_deleted("dataset_id", within="dataset"),
        found,
    ),
)
