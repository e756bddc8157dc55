"""A dataset on its way to the target."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from catenary.v1.dataset_requests_pb2 import UploadDatasetHeader, UploadDatasetRequest
from catenary.v1.transfer_pb2 import FileChunk, TransferFile
from catenary_conformance import rpcs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.v1.dataset_pb2 import Dataset
    from catenary_conformance.target import Target


def transfer_file(path: str, content: bytes) -> TransferFile:
    """What a file is declared as before its bytes are sent."""
    return TransferFile(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).digest())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A dataset of one file."""

    request_id: str
    name: str
    path: str
    content: bytes
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def header(self, **changes: Any) -> UploadDatasetRequest:  # noqa: ANN401 - fields of the header
        """The first message, with some fields otherwise."""
        fields: dict[str, Any] = {
            "request_id": self.request_id,
            "name": self.name,
            "files": [transfer_file(self.path, self.content)],
            "labels": self.labels,
        }
        return UploadDatasetRequest(header=UploadDatasetHeader(**(fields | changes)))

    def chunk(self, start: int = 0, end: int | None = None) -> UploadDatasetRequest:
        """The bytes from one offset to another as a message."""
        return UploadDatasetRequest(chunk=FileChunk(offset=start, content=self.content[start:end]))

    def sent(self, target: Target) -> Dataset:
        """The dataset after all of it was sent.

        Raises:
            WrongAnswer: the upload was refused.
        """
        return rpcs.UPLOAD_DATASET.ok(target, self.header(), self.chunk()).dataset
