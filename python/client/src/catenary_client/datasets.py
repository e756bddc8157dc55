"""Datasets of the caller on the server."""

from __future__ import annotations

import asyncio
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from catenary.v1 import dataset_requests_pb2 as requests
from catenary.v1.dataset_service_pb2_grpc import DatasetServiceStub
from catenary_client.uploads import Uploader, files_to_send, header_of, summed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import grpc

    from catenary.v1.dataset_pb2 import Dataset
    from catenary_client.calls import Caller
    from catenary_client.uploads import UploadProgress


class DatasetCalls:
    """The part of a client that deals with datasets. They belong to the caller and not to a session."""

    _channel: grpc.aio.Channel
    _caller: Caller
    _open_stream_channel: Callable[[], grpc.Channel]

    async def upload_dataset(
        self,
        paths: str | PathLike[str] | Sequence[str | PathLike[str]],
        *,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str = "",
        on_progress: Callable[[UploadProgress], None] | None = None,
    ) -> Dataset:
        """Upload files as a dataset; name its `path` in `data.path` to train on it.

        A stream that breaks off is taken up again where the server is. The same files under the same name are the same
        dataset: uploading them again, also from another program, goes on with what is there or finds it ready.

        Args:
            paths: a file, a folder with everything in it, or several of them.
            name: for people; empty means the name of the first path.
            labels: words to find it by in `datasets`.
            request_id: names the upload in place of its content.
            on_progress: told how far it is after each piece.

        Raises:
            FileNotFoundError: a path is neither a file nor a folder.
            ValueError: there is no file, or two would have the same path in the dataset.
            LimitExceededError: there is no room for it on the server.
            PreconditionError: a file is not what its suffix says.
            DataLossError: a file arrived with another sum each time it was sent: it changes meanwhile.
            BusyError: another program uploads the same dataset, or it was deleted.
        """
        chosen = [Path(path) for path in ([paths] if isinstance(paths, (str, PathLike)) else paths)]
        found = await asyncio.to_thread(files_to_send, chosen)
        files = await asyncio.to_thread(summed, found)
        header = header_of(
            files, name=name or (chosen[0].resolve().name if chosen else ""), labels=labels or {}, request_id=request_id
        )
        uploader = Uploader(
            channel=self._channel,
            open_stream_channel=self._open_stream_channel,
            caller=self._caller,
            header=header,
            files=files,
            on_progress=on_progress,
        )
        return await uploader.run()

    async def datasets(self, labels: Mapping[str, str] | None = None) -> list[Dataset]:
        """The caller's datasets that carry these labels, oldest first, without their files."""
        found: list[Dataset] = []
        token = ""
        while True:
            page = await self._caller.unary(
                DatasetServiceStub(self._channel).ListDatasets,
                requests.ListDatasetsRequest(page_token=token, labels=labels),
            )
            found += page.datasets
            token = page.next_page_token
            if not token:
                return found

    async def dataset(self, dataset_id: str) -> Dataset:
        """A dataset with its files.

        Raises:
            NotFoundError: the caller has none of this id.
        """
        request = requests.GetDatasetRequest(dataset_id=dataset_id)
        return (await self._caller.unary(DatasetServiceStub(self._channel).GetDataset, request)).dataset

    async def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset and its files; deleting again is no failure. A run that reads it goes on.

        Raises:
            NotFoundError: the caller never had it.
        """
        request = requests.DeleteDatasetRequest(dataset_id=dataset_id)
        await self._caller.unary(DatasetServiceStub(self._channel).DeleteDataset, request)
