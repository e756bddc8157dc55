"""The faults: each happens again and again at random moments, and after each everything has to come back by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from typing import TYPE_CHECKING, Final

from catenary_tools.fault_proxy import FaultProxy
from chaos.ledger import Stored
from chaos.processes import Broken, Server, Trainer, largest_file, until
from chaos.trainer import COUNTER_BYTES, Load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeAlias

_KIB: Final = 1 << 10
_LOAD: Final = Load()


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
        dropped: steps whose images had no room anywhere, as the log says itself.
    """

    recoveries: list[float]
    messages: int
    steps: int
    lost: int
    dropped: int


Break: TypeAlias = "Callable[[World], None]"


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        happen: what it does; afterwards everything works again.
        load: what is logged meanwhile, if nothing else is asked for.
        proxied: whether the trainer reaches the server through the proxy, which costs time.
        loses_memory: whether the memory of the trainer goes, and with it what nobody has acknowledged.
    """

    happen: Break
    load: Load = _LOAD
    proxied: bool = False
    loses_memory: bool = False


def kill_server(world: World) -> None:
    """The server is killed, and started again a little later."""
    world.server.kill()
    world.go_on(0.4)
    world.server.serve()


def kill_trainer(world: World) -> None:
    """The trainer is killed, at times while it cannot reach the server, and started again."""
    if world.chance.random() < 1 / 2:
        world.proxy.refuse(refusing=True)
        world.go_on(0.5)
    world.trainer.kill()
    world.proxy.refuse(refusing=False)
    before = Stored.read(world.server.log_folder(), world.load.tiles)
    world.trainer.train()
    world.recovered()
    Stored.read(world.server.log_folder(), world.load.tiles).check_begins_with(before)


def cut(world: World) -> None:
    """All connections break, at times several times, or for a while."""
    for _ in range(world.chance.randrange(1, 4)):
        world.proxy.cut()
        world.go_on(0.1)
    if world.chance.random() < 1 / 2:
        world.proxy.refuse(refusing=True)
        world.go_on(0.6)
        world.proxy.refuse(refusing=False)


def slow(world: World) -> None:
    """The connection gets slower than the training, and may break then."""
    world.proxy.slow(world.chance.uniform(50e3, 300e3))
    world.go_on(0.8)
    if world.chance.random() < 1 / 2:
        world.proxy.cut()
        world.go_on(0.4)
    world.proxy.slow(0)


def fill_server_disk(world: World) -> None:
    """No file of the server can grow any more, somewhere within a record; then they can again."""
    limit = largest_file(world.server.log_folder()) + world.chance.randrange(1, 20_000)
    with world.server.with_full_disk(limit):
        world.go_on(0.8)


def fill_trainer_disk(world: World) -> None:
    """The trainer cannot reach the server, and cannot put aside what it logs; it trains on all the same.

    At times something was put aside before; the server is back before the disk has room, or after.
    """
    world.proxy.refuse(refusing=True)
    if world.chance.random() < 1 / 2:
        world.trainer.until_logged(world.trainer.step + world.chance.randrange(15))
    limit = world.chance.choice((COUNTER_BYTES, largest_file(world.trainer.spill) + world.chance.randrange(20_000)))
    with world.trainer.with_full_disk(limit):
        world.trainer.until_logged(world.trainer.step + 25)
        if world.chance.random() < 1 / 2:
            world.proxy.refuse(refusing=False)
            world.go_on(0.4)
    world.proxy.refuse(refusing=False)


FAULTS: Final[Mapping[str, Fault]] = {
    "server-kills": Fault(kill_server),
    "trainer-kills": Fault(kill_trainer, proxied=True, loses_memory=True),
    "cuts": Fault(cut, proxied=True),
    "slow-connections": Fault(slow, proxied=True),
    "full-server-disk": Fault(fill_server_disk),
    "full-trainer-disk": Fault(
        fill_trainer_disk, Load(ring_bytes=64 * _KIB, reserve_bytes=4096 * _KIB, may_drop=True), proxied=True
    ),
}


def suffer(name: str, folder: Path, *, repeats: int, seed: int, load: Load | None = None) -> Outcome:
    """Let one kind of fault happen so many times, then check everything.

    Raises:
        Broken: if a promise was not kept.
    """
    fault = FAULTS[name]
    with contextlib.ExitStack() as stack:
        server = Server(folder)
        stack.callback(server.kill)
        proxy = stack.enter_context(FaultProxy(server.address))
        carried = load or fault.load
        trainer = Trainer(proxy.address if fault.proxied else server.address, folder, carried)
        stack.callback(trainer.kill)
        world = World(server, proxy, trainer, random.Random(seed), carried)
        recoveries = []
        for _ in range(repeats):
            world.go_on(0.3)
            fault.happen(world)
            recoveries.append(world.recovered())
        report = trainer.finish()
        server.stop()
        return _checked(world, recoveries, report, fault)


def _checked(world: World, recoveries: list[float], report: Mapping[str, object], fault: Fault) -> Outcome:
    stored = Stored.read(world.server.log_folder(), world.load.tiles)
    if report != {"complete": True, "dropped": stored.dropped, "rejected": 0}:
        raise Broken(f"the trainer reports {report}, and gaps speak of {stored.dropped}")
    if stored.dropped and not world.load.may_drop:
        raise Broken(f"{stored.dropped} batches lost their images, and none may")
    stored.check_order()
    steps = world.trainer.step
    if not fault.loses_memory:
        stored.check_complete(steps)
    lost = steps - len(stored.batches) - len(stored.bare)
    return Outcome(recoveries, len(stored.sequences), steps, lost, stored.dropped)
