"""Who holds torch: the workers and the process they are forked from, never the front end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from catenary_client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


def mapped_files(process: psutil.Process) -> str:
    return " ".join(region.path for region in process.memory_maps())


def front_ends(port: int) -> Iterator[psutil.Process]:
    """Those of this test process's children that listen on a port; servers of other tests may run, too."""
    for child in psutil.Process().children():
        if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in child.net_connections()):
            yield child


def test_the_front_end_serves_training_and_inference_without_torch(server: str) -> None:
    with Client(server) as client, client.session() as session:
        session.set_trainrun(session.resolve("trainrun", "rx"))
        assert [event.status for event in session.train("statistical")][-1] == "COMPLETED"
        (front_end,) = front_ends(int(server.rpartition(":")[2]))
        assert "libtorch" not in mapped_files(front_end)
        assert any("libtorch" in mapped_files(below) for below in front_end.children(recursive=True))
