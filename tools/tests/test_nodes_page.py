from __future__ import annotations

from pathlib import Path

from catenary_server.nodes.catalog import BUILT_IN
from catenary_tools.nodes_page import PAGE, render

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_page_that_is_checked_in_is_the_one_that_the_nodes_declare() -> None:
    assert (REPOSITORY / PAGE).read_text() == render(), "run `nox -s generate` and commit what it writes"


def test_every_node_type_has_its_place_with_ports_parameters_and_paper() -> None:
    page = render()
    for node in BUILT_IN:
        spec = node.spec()
        (_, _, rest) = page.partition(f"\n### {spec.class_name}\n")
        entry = rest.partition("\n### ")[0].partition("\n## ")[0]
        assert spec.description in entry
        assert spec.citation in entry
        ports = [port.name for port in (*spec.inputs, *spec.outputs)]
        for name in (*ports, *(param.name for param in spec.params)):
            assert f"| `{name}` |" in entry
