"""Each mutant is shown live by its witness: what that sees on the good server is always the same, and never this."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_conformance.faulty.good_server import good_server
from catenary_conformance.faulty.plugins import PLUGIN
from catenary_conformance.faulty.proxy import Proxy
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.faulty.stand import Stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary_conformance.faulty.mutant import Mutant, Witness

REPOSITORY = Path(__file__).resolve().parents[3]
THOROUGH = pytest.mark.skipif(
    os.environ.get("CATENARY_THOROUGH") != "1", reason="hundreds of exchanges: set CATENARY_THOROUGH=1"
)
SAMPLE = (
    "tel-002-takes-over",
    "tel-009-gap-is-a-field",
    "tel-010-durable-ahead",
    "tel-018-takes-any-epoch",
    "tel-024-lists-runs-of-others",
    "tel-027-snapshot-again",
    "tel-034-loses-peaks",
    "tel-037-another-command-each-time",
)
"""Some that need a server of telemetry only, which starts at once; of every kind of fault one."""
DISTINCT = {each.witness: each for each in mutants().values()}
"""One mutant for each witness."""
METADATA = f"""\
Metadata-Version: 2.1
Name: catenary-plugin-{PLUGIN}
Version: 0.1.0
"""


class Witnesses:
    """What witnesses see."""

    def __init__(self, stand: Stand, proxies: Sequence[Proxy]) -> None:
        self._stand, self._proxies = stand, proxies
        self._good: dict[Witness, object] = {}

    def good(self, mutant: Mutant) -> object:
        """What is seen on the good server; asked for once."""
        if mutant.witness not in self._good:
            self._good[mutant.witness] = self.see(mutant, None)
        return self._good[mutant.witness]

    def see(self, mutant: Mutant, active: Mutant | None) -> object:
        for proxy in self._proxies:
            proxy.activate(active)
        try:
            return mutant.witness(self._stand)
        finally:
            for proxy in self._proxies:
                proxy.activate(None)
            self._stand.clear()


@contextmanager
def witnesses(folder: Path, arguments: Sequence[str] = (), plugins: Path | None = None) -> Iterator[Witnesses]:
    configs = REPOSITORY / "configs"
    with (
        tempfile.TemporaryDirectory() as short,
        good_server(folder, configs=configs, arguments=arguments, plugins=plugins) as server,
        Proxy(server.address) as proxy,
        Proxy(server.socket, listen=f"unix:{short}/near") as near,
        Stand(server, proxy=proxy.address, near_proxy=near.address) as stand,
    ):
        yield Witnesses(stand, (proxy, near))


@pytest.fixture(scope="module")
def of_telemetry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witnesses]:
    with witnesses(tmp_path_factory.mktemp("telemetry"), ["--only", "telemetry"]) as found:
        yield found


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example plugin as an installer leaves it in a folder."""
    folder = tmp_path_factory.mktemp("plugins")
    package = f"catenary_plugin_{PLUGIN}"
    (folder / package).symlink_to(REPOSITORY / f"examples/plugin_{PLUGIN}/src" / package)
    information = folder / f"{package}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(METADATA)
    (information / "entry_points.txt").write_text(f"[catenary.nodes]\n{PLUGIN} = {package}:NODES\n")
    return folder


@pytest.fixture(scope="module")
def of_everything(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[Witnesses]:
    with witnesses(tmp_path_factory.mktemp("everything"), plugins=plugins) as found:
        yield found


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_mutants_is_live(of_telemetry: Witnesses, name: str) -> None:
    mutant = mutants()[name]
    assert of_telemetry.see(mutant, mutant) != of_telemetry.good(mutant)


@THOROUGH
@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants().values(), ids=lambda each: each.id)
def test_every_mutant_is_live(of_everything: Witnesses, mutant: Mutant) -> None:
    assert of_everything.see(mutant, mutant) != of_everything.good(mutant)


@THOROUGH
@pytest.mark.slow
@pytest.mark.parametrize(
    "witness", {each.witness: each for each in mutants().values()}.values(), ids=lambda each: each.id
)
def test_a_witness_sees_the_same_of_a_good_server_each_time(of_everything: Witnesses, witness: Mutant) -> None:
    assert of_everything.see(witness, None) == of_everything.good(witness)
