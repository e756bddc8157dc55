"""DatasetService."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary.v1 import dataset_requests_pb2
from catenary_server.transport.codec.dataset import decode_chunks, decode_header, encode_dataset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.application.datasets import Datasets
    from catenary_server.domain.dataset import Dataset
    from catenary_server.transport.call import Call, Part
    from catenary_server.transport.pages import Pages

PAGE_SIZE = 100


class DatasetServicer:
    """Takes, lists and deletes datasets."""

    service = "catenary.v1.DatasetService"

    def __init__(self, datasets: Datasets, pages: Pages) -> None:
        self._datasets = datasets
        self._pages = pages

    async def upload_dataset(
        self, parts: AsyncIterator[Part], call: Call
    ) -> dataset_requests_pb2.UploadDatasetResponse:
        """See the contract."""
        header = await decode_header(parts)
        dataset = await self._datasets.upload(call.principal, header, decode_chunks(parts))
        return dataset_requests_pb2.UploadDatasetResponse(dataset=encode_dataset(dataset))

    async def list_datasets(
        self, request: dataset_requests_pb2.ListDatasetsRequest, call: Call
    ) -> dataset_requests_pb2.ListDatasetsResponse:
        """See the contract."""
        page, token = self._pages.cut(
            await self._datasets.list(call.principal, request.labels),
            _age,
            size=request.page_size or PAGE_SIZE,
            token=request.page_token,
            selection=json.dumps([self.service, call.principal, sorted(request.labels.items())]),
        )
        return dataset_requests_pb2.ListDatasetsResponse(
            datasets=[encode_dataset(dataset, files=False) for dataset in page], next_page_token=token
        )

    async def get_dataset(
        self, request: dataset_requests_pb2.GetDatasetRequest, call: Call
    ) -> dataset_requests_pb2.GetDatasetResponse:
        """See the contract."""
        dataset = await self._datasets.find(
            call.principal, dataset_id=request.dataset_id, request_id=request.request_id
        )
        return dataset_requests_pb2.GetDatasetResponse(dataset=encode_dataset(dataset))

    async def delete_dataset(
        self, request: dataset_requests_pb2.DeleteDatasetRequest, call: Call
    ) -> dataset_requests_pb2.DeleteDatasetResponse:
        """See the contract."""
        await self._datasets.delete(call.principal, request.dataset_id)
        return dataset_requests_pb2.DeleteDatasetResponse()


def _age(dataset: Dataset) -> str:
    """Sorts the oldest first; the id makes it unique."""
    return f"{dataset.create_time:020.6f} {dataset.dataset_id}"
