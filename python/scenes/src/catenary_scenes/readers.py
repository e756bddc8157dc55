"""Which files can be read here, and what others need."""

from dataclasses import dataclass

from catenary_scenes.formats import cu3s
from catenary_scenes.formats.image_folder import IMAGE_SUFFIXES
from catenary_scenes.reading import READABLE_SUFFIXES, default_processing_mode
from catenary_scenes.scene import ProcessingMode

_REQUIREMENTS = {".cu3s": cu3s.missing_requirement}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A format of scene files."""

    suffix: str
    """With its dot, in lower case."""
    missing_requirement: str
    """What has to be installed before files of it can be read; empty when they can."""
    processing_modes: tuple[ProcessingMode, ...]
    """Ways to process what is stored."""
    default_processing_mode: ProcessingMode
    """The one that is taken when none is named."""


def list_readers() -> tuple[Reader, ...]:
    """Every format of scene files and of the images that bands are stored as, with what is missing in this process."""
    return tuple(
        Reader(
            suffix=suffix,
            missing_requirement=_REQUIREMENTS[suffix]() if suffix in _REQUIREMENTS else "",
            processing_modes=tuple(ProcessingMode),
            default_processing_mode=default_processing_mode(suffix),
        )
        for suffix in (*READABLE_SUFFIXES, *IMAGE_SUFFIXES)
    )
