from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_plugins import installed

from catenary_server.domain.failure import Failure, Reason
from catenary_server.engine.plugin_types import plugin_types
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types
from catenary_server.nodes.node import Node
from catenary_server.nodes.params import NodeParams
from catenary_server.nodes.pixel_unit_normalizer import PixelUnitNormalizer
from catenary_server.nodes.rx_global import RXGlobal

if TYPE_CHECKING:
    from catenary_server.domain.plugin import InstalledPlugin

PLUGIN = installed("extra")


class Brighter(PixelUnitNormalizer):
    """Stands for a node type of a plugin."""


class Bare(Node[NodeParams]):
    """Lacks a declaration."""


@pytest.mark.parametrize("exported", [Brighter, (Brighter,), [Brighter], {Brighter: 1}])
def test_a_plugin_exports_one_node_type_or_several(exported: object) -> None:
    assert plugin_types(PLUGIN, exported, {}) == {"Brighter": Brighter}


@pytest.mark.parametrize(
    "exported", [(), None, 3, "Brighter", (Brighter, "x"), (Bare,), (RXGlobal,), (Brighter, Brighter), (int,)]
)
def test_anything_else_is_refused(exported: object) -> None:
    with pytest.raises(Failure) as caught:
        plugin_types(PLUGIN, exported, built_in_types())
    assert caught.value.reason is Reason.PLUGIN_NOT_INSTALLED


def test_an_engine_knows_node_types_of_a_plugin_once_it_is_loaded() -> None:
    imports: list[InstalledPlugin] = []

    def import_plugin(plugin: InstalledPlugin) -> object:
        imports.append(plugin)
        return (Brighter,)

    engine = TorchEngine(built_in_types(), "cpu", import_plugin=import_plugin)
    assert "Brighter" not in engine.catalog().nodes
    specs = engine.load_plugin(PLUGIN)
    assert engine.load_plugin(PLUGIN) == specs
    assert imports == [PLUGIN]
    assert (specs["Brighter"].source, specs["Brighter"].plugin_name) == ("plugin", "extra")
    assert "Brighter" in engine.catalog().nodes


def test_an_engine_without_plugins_refuses_them() -> None:
    with pytest.raises(Failure) as caught:
        TorchEngine(built_in_types(), "cpu").load_plugin(PLUGIN)
    assert caught.value.reason is Reason.PLUGIN_NOT_INSTALLED
