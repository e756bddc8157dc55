"""What a folder holds: scene files, the images of one scene, or folders of these."""

from pathlib import Path

from catenary_scenes.errors import SceneInvalid
from catenary_scenes.formats.image_folder import image_files, natural_order

_SIDE_STARTS = ("whiteref_", "darkref_")
_SIDE_ENDINGS = (
    "_gt.hdr",
    "_white.hdr",
    "_dark.hdr",
    *(f"_mask{suffix}" for suffix in (".hdr", ".npy", ".npz", ".mat")),
)
_MOST_LEVELS = 4


def scene_places(folder: Path, suffixes: tuple[str, ...], levels: int = _MOST_LEVELS) -> tuple[Path, ...]:
    """The scene files and the folders of images in a folder, in the order of their names.

    Ground truth and references that lie beside their scene are not scenes; what no reader knows is passed over.

    Args:
        folder: to look into; a folder of images is the only place in itself.
        suffixes: of scene files, in lower case.
        levels: how deep folders may be nested.

    Raises:
        SceneInvalid: it holds nothing to read, or different things.
    """
    entries = sorted((each for each in folder.iterdir() if not each.name.startswith(".")), key=natural_order)
    files = tuple(each for each in entries if each.is_file() and _is_scene(each, suffixes))
    inner = [each for each in entries if each.is_dir()] if levels > 0 else []
    images = image_files(folder)
    if sum(map(bool, (files, inner, images))) != 1:
        raise SceneInvalid(
            f"{folder.name} holds {len(files)} scene files, {len(images)} images and {len(inner)} folders: "
            "store either scene files, or the bands of one scene as images, or folders of these"
        )
    if images:
        return (folder,)
    return files or tuple(place for each in inner for place in scene_places(each, suffixes, levels - 1))


def _is_scene(file: Path, suffixes: tuple[str, ...]) -> bool:
    name = file.name.lower()
    return file.suffix.lower() in suffixes and not (name.startswith(_SIDE_STARTS) or name.endswith(_SIDE_ENDINGS))
