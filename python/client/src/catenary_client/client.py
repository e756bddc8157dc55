"""The client for programs without asyncio: the same calls, each of which waits for its answer."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self

from catenary_client.async_client import AsyncClient
from catenary_client.blocking import Blocking, EventLoopThread, blocking, streaming
from catenary_client.sessions import AsyncSession

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

P = ParamSpec("P")


class Session(Blocking[AsyncSession]):
    """A client's isolated place on the server; made by `Client.session`, `Client.attach` or `Client.restore`.

    As a context manager it closes the session at its end. Its methods are those of `AsyncSession`.
    """

    @property
    def session_id(self) -> str:
        """The session, as the server made it."""
        return self._async.session_id

    get = blocking(AsyncSession.get)
    close = blocking(AsyncSession.close)
    set_search_paths = blocking(AsyncSession.set_search_paths)
    configs = blocking(AsyncSession.configs)
    resolve = blocking(AsyncSession.resolve)
    load_pipeline = blocking(AsyncSession.load_pipeline)
    load_weights = blocking(AsyncSession.load_weights)
    save_pipeline = blocking(AsyncSession.save_pipeline)
    inputs = blocking(AsyncSession.inputs)
    outputs = blocking(AsyncSession.outputs)
    set_trainrun = blocking(AsyncSession.set_trainrun)
    train = streaming(AsyncSession.train)
    watch = streaming(AsyncSession.watch)
    train_status = blocking(AsyncSession.train_status)
    stop = blocking(AsyncSession.stop)
    evaluate = streaming(AsyncSession.evaluate)
    save_trainrun = blocking(AsyncSession.save_trainrun)
    restore = blocking(AsyncSession.restore)
    infer = blocking(AsyncSession.infer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _opening(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, AsyncSession]],
) -> Callable[Concatenate[Client, P], Session]:
    """The blocking form of a method that gives a session."""

    @functools.wraps(method)
    def open_session(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Session:
        return Session(self._loop, self._loop.run(method(self._async, *args, **kwargs)))

    return open_session


def _connecting(make: Callable[P, AsyncClient]) -> Callable[Concatenate[Client, P], None]:
    """The constructor of a client that lives in a loop of its own."""

    @functools.wraps(AsyncClient.__init__)
    def connect(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> None:
        loop = EventLoopThread()

        async def made() -> AsyncClient:
            return make(*args, **kwargs)

        Blocking.__init__(self, loop, loop.run(made()))

    return connect


class Client(Blocking[AsyncClient]):
    """A connection to a server. Connects with the first call.

    ```python
    with Client("localhost:50051") as client, client.session() as session:
        session.set_trainrun(session.resolve("trainrun", "deep_svdd", ["training.trainer.max_epochs=5"]))
        for progress in session.train("statistical"):
            print(progress.message)
        scores = session.infer(cube=cube, wavelengths=wavelengths)
    ```

    Its arguments and methods are those of `AsyncClient`.
    """

    __init__ = _connecting(AsyncClient)

    @property
    def address(self) -> str:
        """The server."""
        return self._async.address

    server_info = blocking(AsyncClient.server_info)
    session = _opening(AsyncClient.create_session)
    restore = _opening(AsyncClient.restore)
    sessions = blocking(AsyncClient.sessions)
    validate_config = blocking(AsyncClient.validate_config)
    config_schema = blocking(AsyncClient.config_schema)

    def attach(self, session_id: str) -> Session:
        """The session of this id, which somebody made before; asks the server nothing."""
        return Session(self._loop, self._async.attach(session_id))

    def close(self) -> None:
        """Close the connection. Sessions stay, until they are closed or expire."""
        if not self._loop.stopped:
            self._loop.run(self._async.close())
            self._loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
