"""The faults: each happens again and again at random moments, and after each everything has to come back by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import resource
import time
from typing import TYPE_CHECKING, Final

from catenary_tools.fault_proxy import FaultProxy
from chaos.ledger import Stored
from chaos.processes import Broken, Load, Server, Trainer, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeAlias


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """A server and a trainer with a network between them, and chance."""

    server: Server
    proxy: FaultProxy
    trainer: Trainer
    chance: random.Random
    load: Load

    def go_on(self, most: float) -> None:
        """Let things happen for a random time."""
        time.sleep(self.chance.uniform(0.0, most))

    def recovered(self) -> float:
        """Wait until the server has all that is logged now; seconds it took."""
        logged = self.trainer.step
        return until(lambda: self.server.stored_step() >= logged, f"storing step {logged}")


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What one kind of fault came to.

    Attributes:
        recoveries: for each fault, seconds from its end until everything that was logged by then was stored.
        messages: in the log at the end.
        steps: logged.
        lost: steps that were in the memory of a trainer that was killed, and that nobody had acknowledged.
    """

    recoveries: list[float]
    messages: int
    steps: int
    lost: int


Fault: TypeAlias = "Callable[[World], None]"


def kill_server(world: World) -> None:
    """The server is killed, and started again a little later."""
    world.server.kill()
    world.go_on(1.0)
    world.server.start()


def kill_trainer(world: World) -> None:
    """The trainer is killed, at times while it cannot reach the server, and started again."""
    if world.chance.random() < 1 / 2:
        world.proxy.refuse(refusing=True)
        world.go_on(1.0)
    world.trainer.kill()
    world.proxy.refuse(refusing=False)
    before = Stored.read(world.server.log_folder(), world.load.tiles)
    world.trainer.start()
    world.recovered()
    Stored.read(world.server.log_folder(), world.load.tiles).check_begins_with(before)


def cut(world: World) -> None:
    """All connections break, at times several times, or for a while."""
    for _ in range(world.chance.randrange(1, 4)):
        world.proxy.cut()
        world.go_on(0.2)
    if world.chance.random() < 1 / 2:
        world.proxy.refuse(refusing=True)
        world.go_on(2.0)
        world.proxy.refuse(refusing=False)


def slow(world: World) -> None:
    """The connection gets slower than the training, and may break then."""
    world.proxy.slow(world.chance.uniform(50e3, 500e3))
    world.go_on(2.0)
    if world.chance.random() < 1 / 2:
        world.proxy.cut()
        world.go_on(1.0)
    world.proxy.slow(0)


def fill_disk(world: World) -> None:
    """No file of the server can grow any more, somewhere within a record; then they can again."""
    newest = max(path.stat().st_size for path in world.server.log_folder().glob("*.seg"))
    limit = newest + world.chance.randrange(1, 40_000)
    _, most = resource.prlimit(world.server.process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(world.server.process_id, resource.RLIMIT_FSIZE, (limit, most))
    try:
        world.go_on(2.0)
    finally:
        resource.prlimit(world.server.process_id, resource.RLIMIT_FSIZE, (most, most))


FAULTS: Final[Mapping[str, Fault]] = {
    "server-kills": kill_server,
    "trainer-kills": kill_trainer,
    "cuts": cut,
    "slow-connections": slow,
    "full-disk": fill_disk,
}


_DIRECT: Final = frozenset({"server-kills", "full-disk"})
"""What does not concern the connection, which is not slowed by the proxy then."""


def suffer(name: str, folder: Path, *, repeats: int, seed: int, load: Load | None = None) -> Outcome:
    """Let one kind of fault happen so many times, then check everything.

    Raises:
        Broken: if a promise was not kept.
    """
    with contextlib.ExitStack() as stack:
        server = Server(folder)
        stack.callback(server.kill)
        proxy = stack.enter_context(FaultProxy(server.address))
        carried = load or Load()
        trainer = Trainer(server.address if name in _DIRECT else proxy.address, folder, carried)
        stack.callback(trainer.kill)
        world = World(server, proxy, trainer, random.Random(seed), carried)
        recoveries = []
        for _ in range(repeats):
            world.go_on(1.5)
            FAULTS[name](world)
            recoveries.append(world.recovered())
        report = trainer.finish()
        server.stop()
        return _checked(world, recoveries, report, whole=name != "trainer-kills")


def _checked(world: World, recoveries: list[float], report: Mapping[str, object], *, whole: bool) -> Outcome:
    if report != {"complete": True, "dropped": 0, "rejected": 0}:
        raise Broken(f"the trainer reports {report}")
    stored = Stored.read(world.server.log_folder(), world.load.tiles)
    stored.check_order()
    steps = world.trainer.step
    if whole:
        stored.check_complete(steps)
    return Outcome(recoveries, len(stored.sequences), steps, steps - len(stored.batches))
