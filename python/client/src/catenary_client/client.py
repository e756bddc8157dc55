"""The client for programs without asyncio: the same calls, each of which waits for its answer."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self

from catenary_client.async_client import DEFAULT_TIMEOUT_SECONDS, AsyncClient
from catenary_client.blocking import Blocking, EventLoopThread, blocking, streaming
from catenary_client.connection import DEFAULT_ADDRESS, DEFAULT_MAX_MESSAGE_BYTES, check_token
from catenary_client.sessions import AsyncSession

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    import grpc

    from catenary_client.retry import RetryPolicy

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
    load_plugin = blocking(AsyncSession.load_plugin)
    plugins = blocking(AsyncSession.plugins)
    plugin = blocking(AsyncSession.plugin)
    nodes = blocking(AsyncSession.nodes)
    load_pipeline = blocking(AsyncSession.load_pipeline)
    load_weights = blocking(AsyncSession.load_weights)
    save_pipeline = blocking(AsyncSession.save_pipeline)
    inputs = blocking(AsyncSession.inputs)
    outputs = blocking(AsyncSession.outputs)
    draw = blocking(AsyncSession.draw)
    set_trainrun = blocking(AsyncSession.set_trainrun)
    train = streaming(AsyncSession.train)
    watch = streaming(AsyncSession.watch)
    train_status = blocking(AsyncSession.train_status)
    stop = blocking(AsyncSession.stop)
    evaluate = streaming(AsyncSession.evaluate)
    save_trainrun = blocking(AsyncSession.save_trainrun)
    restore = blocking(AsyncSession.restore)
    infer = blocking(AsyncSession.infer)
    set_profiling = blocking(AsyncSession.set_profiling)
    profile = blocking(AsyncSession.profile)
    infer_chunked = blocking(AsyncSession.infer_chunked)
    infer_stream = streaming(AsyncSession.infer_stream)

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

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: str = "",
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        server_name: str = "",
        plaintext_token: bool = False,
    ) -> None:
        check_token(address, token, encrypted=credentials is not None, plaintext=plaintext_token)

        async def connected() -> AsyncClient:
            # In the loop: a channel belongs to the loop in which it is made.
            return AsyncClient(
                address,
                credentials=credentials,
                token=token,
                timeout=timeout,
                retry=retry,
                max_message_bytes=max_message_bytes,
                server_name=server_name,
                plaintext_token=plaintext_token,
            )

        loop = EventLoopThread()
        super().__init__(loop, loop.run(connected()))

    @property
    def address(self) -> str:
        """The server."""
        return self._async.address

    server_info = blocking(AsyncClient.server_info)
    session = _opening(AsyncClient.create_session)
    restore = _opening(AsyncClient.restore)
    sessions = blocking(AsyncClient.sessions)
    upload_dataset = blocking(AsyncClient.upload_dataset)
    datasets = blocking(AsyncClient.datasets)
    dataset = blocking(AsyncClient.dataset)
    delete_dataset = blocking(AsyncClient.delete_dataset)
    available_pipelines = blocking(AsyncClient.available_pipelines)
    pipeline_info = blocking(AsyncClient.pipeline_info)
    draw_definition = blocking(AsyncClient.draw_definition)
    download_pipeline = blocking(AsyncClient.download_pipeline)
    upload_pipeline = blocking(AsyncClient.upload_pipeline)
    training_capabilities = blocking(AsyncClient.training_capabilities)
    validate_config = blocking(AsyncClient.validate_config)
    config_schema = blocking(AsyncClient.config_schema)
    nodes = blocking(AsyncClient.nodes)
    clear_plugin_cache = blocking(AsyncClient.clear_plugin_cache)
    list_runs = blocking(AsyncClient.list_runs)
    get_run = blocking(AsyncClient.get_run)
    watch_run = streaming(AsyncClient.watch_run)
    run_history = blocking(AsyncClient.run_history)
    query_metrics = blocking(AsyncClient.query_metrics)
    send_command = blocking(AsyncClient.send_command)
    delete_run = blocking(AsyncClient.delete_run)

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
