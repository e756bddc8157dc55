"""How much a file may unfold to: refuses archives and images that are small on the disk and huge in memory."""

from catenary_scenes.errors import SceneInvalid

FREE_BYTES = 256 * 1024 * 1024
"""What any file may unfold to, however small it is: masks of large scenes pack to almost nothing."""
MOST_EXPANSION = 100
"""Times its own size that a larger one may unfold to; measured scenes pack to a half or a third."""


def require_bounded(unfolded: int, stored: int, source: str) -> None:
    """Refuse what would take memory out of proportion to the file; called before anything is allocated.

    Args:
        unfolded: bytes in memory, as the file declares them.
        stored: bytes on the disk.
        source: what to call it in messages.

    Raises:
        SceneInvalid: it would.
    """
    if unfolded > max(FREE_BYTES, MOST_EXPANSION * stored):
        raise SceneInvalid(
            f"{source} would unfold from {stored} to {unfolded} bytes: if it is no mistake, store it uncompressed"
        )
