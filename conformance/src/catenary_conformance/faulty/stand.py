"""Where witnesses stand: callers of a server through the proxy and past it, and what an exchange needs beforehand."""

from __future__ import annotations

import json
import struct
import uuid
from typing import TYPE_CHECKING, Self

from catenary_conformance.faulty.caller import Caller, Heard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from catenary_conformance.faulty.exchange import Fields
    from catenary_conformance.faulty.good_server import GoodServer

SMALL_SCENE = ("data.synthetic.rows=24", "data.synthetic.cols=24", "data.synthetic.bands=8", "data.tile_size=8")
UNENDING = ("training.trainer.max_epochs=100000",)
BANDS, D_TYPE_FLOAT32 = 8, 1
# A pipeline without statistics: what comes in goes out scaled.
PLAIN = {"metadata": {"name": "plain"}, "nodes": [{"name": "unit", "class_name": "PixelUnitNormalizer"}]}


class Stand:
    """Callers of one server, within a `with` block at whose end everything made here is removed.

    Attributes:
        call: through the proxy, as the first principal.
        other: through the proxy, as the second principal.
        low: through the proxy, with a token of the scope `discovery.read` alone.
        nobody: through the proxy, without a token.
        direct: past the proxy, as the first principal.
        near: through the proxy of the Unix socket, as the first principal.
    """

    def __init__(self, server: GoodServer, *, proxy: str, near_proxy: str) -> None:
        self.call = Caller(proxy, server.alice)
        self.other = Caller(proxy, server.bob)
        self.low = Caller(proxy, server.low)
        self.nobody = Caller(proxy)
        self.direct = Caller(server.address, server.alice)
        self.near = Caller(near_proxy, server.alice)
        self._others_direct = Caller(server.address, server.bob)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
        callers = (self.call, self.other, self.low, self.nobody, self.direct, self.near, self._others_direct)
        for caller in callers:
            caller.close()

    def clear(self) -> None:
        """Close every session and remove every dataset of both principals, where the server has such things."""
        for caller in (self.direct, self._others_direct):
            for page in caller("ListSessions", page_size=1000).messages:
                for session in page.sessions:
                    caller("CloseSession", session_id=session.session_id)
            for page in caller("ListDatasets", page_size=1000).messages:
                for dataset in page.datasets:
                    caller("DeleteDataset", dataset_id=dataset.dataset_id)

    def session(self, caller: Caller | None = None, **fields: object) -> str:
        """A new session."""
        return str((caller or self.direct)("CreateSession", **fields).answer.session_id)

    def ready(self, pipeline: Mapping[str, object] | None = None) -> str:
        """A session with a pipeline: the plain one unless another is given."""
        session = self.session()
        loaded = self.direct("LoadPipeline", session_id=session, pipeline=definition(pipeline or PLAIN))
        assert loaded.answer is not None
        return session

    def resolved(self, session: str, trainrun: str, *overrides: str) -> bytes:
        """A trainrun of the server on a small generated scene."""
        asked = {"session_id": session, "config_type": "trainrun", "path": trainrun}
        answer = self.direct("ResolveConfig", overrides=[*SMALL_SCENE, *overrides], **asked).answer
        return bytes(answer.config_bytes)

    def configured(self, trainrun: str = "rx", *overrides: str) -> str:
        """A session with a trainrun set: pipeline, data and training."""
        session = self.session()
        config = {"config_bytes": self.resolved(session, trainrun, *overrides)}
        assert self.direct("SetTrainRunConfig", session_id=session, config=config).answer is not None
        return session

    def fitted(self, trainrun: str = "rx", *overrides: str) -> str:
        """A session whose statistical phase is done."""
        session = self.configured(trainrun, *overrides)
        last = self.direct("Train", session_id=session, trainer_type=1).messages[-1]
        assert last.status == 2, last
        return session

    def unending(self) -> str:
        """A session whose gradient phase would go on for ever; it has not begun."""
        return self.fitted("channel_selector", *UNENDING)


def nonce() -> str:
    """A word that nothing else has."""
    return f"w{uuid.uuid4().hex[:20]}"


def definition(pipeline: Mapping[str, object]) -> dict[str, bytes]:
    """A pipeline as LoadPipeline takes it."""
    return {"config_bytes": json.dumps(pipeline).encode()}


def pixels(*values: float, count: int = 4, bands: int = BANDS) -> Fields:
    """Inputs of the plain pipeline: one row of pixels. The values come first, the others are 1, 2, 3 and so on."""
    return {"extra_inputs": {"data": cube(*values, count=count, bands=bands)}}


def cube(*values: float, count: int = 4, bands: int = BANDS) -> Fields:
    """A tensor of one row of pixels; the values come first, the others are 1, 2, 3 and so on."""
    return tensor([*values, *range(1, count * bands + 1)][: count * bands], (1, 1, count, bands))


def tensor(values: Sequence[float], shape: Sequence[int]) -> Fields:
    """A tensor of floats."""
    return {"shape": shape, "dtype": D_TYPE_FLOAT32, "raw_data": struct.pack(f"<{len(values)}f", *values)}


def npy(values: Sequence[float], shape: Sequence[int]) -> bytes:
    """A `.npy` file of floats."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    padded = header.ljust(128 - 10 - 1) + "\n"
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(padded))
        + padded.encode()
        + struct.pack(f"<{len(values)}f", *values)
    )


def names(heard: Heard, items: str) -> list[Fields]:
    """The entries of a list in an answer."""
    return list(getattr(heard.answer, items))
