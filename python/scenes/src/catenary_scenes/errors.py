"""What can be wrong with a scene file; every message names the file and says what to do next."""


class SceneError(ValueError):
    """Base of every failure of this package."""


class SceneNotFound(SceneError):
    """No file at the given path."""


class SceneInvalid(SceneError):
    """The file, array or specification does not describe a scene."""


class ReaderUnavailable(SceneError):
    """The format is known, but the optional package that reads it is not installed."""
