"""Hyperspectral scenes: read, write, generate, tile and show them."""

from catenary_scenes.colour import false_colour
from catenary_scenes.errors import ReaderUnavailable, SceneError, SceneInvalid, SceneNotFound
from catenary_scenes.generation import SceneSpec, generate_scene
from catenary_scenes.measurements import Measurements
from catenary_scenes.readers import Reader, list_readers
from catenary_scenes.reading import READABLE_SUFFIXES, read_measurements, read_scene
from catenary_scenes.scene import ProcessingMode, Scene
from catenary_scenes.tiling import Tile, tile_scene
from catenary_scenes.writing import WRITABLE_SUFFIXES, write_scene

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Measurements",
    "ProcessingMode",
    "Reader",
    "ReaderUnavailable",
    "Scene",
    "SceneError",
    "SceneInvalid",
    "SceneNotFound",
    "SceneSpec",
    "Tile",
    "false_colour",
    "generate_scene",
    "list_readers",
    "read_measurements",
    "read_scene",
    "tile_scene",
    "write_scene",
]
