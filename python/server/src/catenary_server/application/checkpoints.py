"""Where the checkpoints of runs are: in the owner's area, below the run's output folder."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from catenary_server.domain.checkpoint import CHECKPOINT_FOLDER, CHECKPOINT_SUFFIX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.runtime import Worker
    from catenary_server.domain.storage import FileArea
    from catenary_server.domain.training import TrainingJob


class CheckpointFolder:
    """The checkpoints of one run. The worker only makes them; they are written here, where paths are confined.

    Args:
        area: files of the owner.
        output_dir: the run's folder, as the client wrote it.

    Raises:
        Failure: PATH_INVALID, PATH_NOT_ALLOWED.
    """

    def __init__(self, area: FileArea, output_dir: str) -> None:
        self._area = area
        self._folder = area.locate(f"{output_dir}/{CHECKPOINT_FOLDER}")

    async def keep(self, checkpoint: Checkpoint) -> str:
        """Write a checkpoint in place of the one before it, as a whole or not at all; returns its name for clients.

        Raises:
            Failure: DISK_FULL, STORAGE_IO, PATH_NOT_ALLOWED.
        """
        place = self._folder / f"{checkpoint.name}{CHECKPOINT_SUFFIX}"
        content = await asyncio.to_thread(bytes, checkpoint.content)
        await self._area.write({place: content}, must_not_exist=False)
        return self._area.name(place)


async def taken_up(
    worker: Worker, job: TrainingJob, area: FileArea, place: Path
) -> AsyncIterator[Progress | Checkpoint | str]:
    """What a worker reports of a run that goes on from the checkpoint at `place`.

    Raises:
        Failure: ARTIFACT_NOT_FOUND, STORAGE_IO, and as `Worker.train`.
    """
    content = await area.read(place)
    async for report in worker.train(dataclasses.replace(job, checkpoint=memoryview(content))):
        yield report
