import subprocess
import sys

import catenary_scenes


def test_the_public_names_are_these() -> None:
    assert sorted(catenary_scenes.__all__) == [
        "Measurements",
        "ProcessingMode",
        "READABLE_SUFFIXES",
        "Reader",
        "ReaderUnavailable",
        "Scene",
        "SceneError",
        "SceneInvalid",
        "SceneNotFound",
        "SceneSpec",
        "Tile",
        "WRITABLE_SUFFIXES",
        "false_colour",
        "generate_scene",
        "list_readers",
        "read_measurements",
        "read_scene",
        "tile_scene",
        "write_scene",
    ]
    assert all(hasattr(catenary_scenes, name) for name in catenary_scenes.__all__)


def test_importing_it_loads_neither_torch_nor_another_of_our_packages() -> None:
    program = (
        "import sys, catenary_scenes; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('torch', 'matplotlib', 'grpc', 'catenary', 'catenary_wire', 'catenary_client', 'catenary_server')])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
