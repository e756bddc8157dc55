"""Where the parts of a dataset lie in the area of its principal.

    datasets/<id>/<path>                          files of a ready dataset, for data configurations to name
    .catenary-datasets/<id>/manifest.json         what was declared, and when it became ready
    .catenary-datasets/<id>/files/<path>          files that are whole, until the dataset is ready
    .catenary-datasets/<id>/growing-<index>       the file that is arriving
    .catenary-datasets/<id>/deleted               there when the dataset is deleted; the id is remembered by it
    .catenary-datasets/<id>/removed               what is being removed

A dataset becomes ready by one renaming of its folder `files`, and unreadable by one renaming of it to `removed`.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from catenary_server.domain.client_path import RESERVED_PREFIX
from catenary_server.domain.dataset import DATASETS_FOLDER, DeclaredFile, UploadHeader
from catenary_server.storage.confinement import Place

if TYPE_CHECKING:
    from pathlib import Path

RECORDS_FOLDER = f"{RESERVED_PREFIX}datasets"


@dataclasses.dataclass(frozen=True, slots=True)
class DatasetPlaces:
    """Places of one dataset below the root of its principal's area."""

    root: Path
    dataset_id: str

    @property
    def record(self) -> Place:
        """The folder with everything but the files of a ready dataset."""
        return Place(self.root, (RECORDS_FOLDER, self.dataset_id))

    @property
    def manifest(self) -> Place:
        """The manifest."""
        return self._recorded("manifest.json")

    @property
    def unfinished(self) -> Place:
        """The folder of whole files, until the dataset is ready."""
        return self._recorded("files")

    @property
    def ready(self) -> Place:
        """The folder of a ready dataset."""
        return Place(self.root, (DATASETS_FOLDER, self.dataset_id))

    @property
    def tombstone(self) -> Place:
        """There when the dataset is deleted."""
        return self._recorded("deleted")

    @property
    def removed(self) -> Place:
        """What is being removed."""
        return self._recorded("removed")

    def growing(self, file_index: int) -> Place:
        """The file that is arriving."""
        return self._recorded(f"growing-{file_index}")

    def whole(self, path: str) -> Place:
        """A whole file of an unfinished dataset."""
        return Place(self.root, (*self.unfinished.parts, *path.split("/")))

    def _recorded(self, name: str) -> Place:
        return Place(self.root, (*self.record.parts, name))


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """What is written down of a dataset; times are Unix seconds."""

    header: UploadHeader
    create_time: float
    ready_time: float | None = None

    def encode(self) -> bytes:
        """As the content of `manifest.json`."""
        header = self.header
        document = {
            "request_id": header.request_id,
            "name": header.name,
            "labels": dict(header.labels),
            "files": [
                {"path": file.path, "size_bytes": file.size, "sha256": file.sha256.hex()} for file in header.files
            ],
            "create_time": self.create_time,
            "ready_time": self.ready_time,
        }
        return json.dumps(document, indent=1).encode()

    @staticmethod
    def decode(content: bytes) -> Manifest:
        """From the content of `manifest.json`.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        document = json.loads(content)
        files = tuple(
            DeclaredFile(file["path"], int(file["size_bytes"]), bytes.fromhex(file["sha256"]))
            for file in document["files"]
        )
        header = UploadHeader(
            request_id=document["request_id"], name=document["name"], files=files, labels=dict(document["labels"])
        )
        return Manifest(header, document["create_time"], document["ready_time"])
