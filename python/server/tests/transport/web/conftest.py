from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from authorization import Tokens
from served_web import serving_web

from catenary_server.transport.front_end import FrontEnd, build_front_end
from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator, TokenAuthenticator
from catenary_server.transport.settings import TransportSettings
from catenary_server.transport.web.server import WebSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from catenary_server.transport.services import Services

INDEX = "<!doctype html><title>Catenary</title>\n" * 20
SCRIPT = "export const answer = 42;\n" * 20


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build of the pages, as small as one can be."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets/index-B1c2.js").write_text(SCRIPT)
    (folder / "assets/style-9f.css").write_text("body { color: black }")
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "index.html").write_text(INDEX)
    (tmp_path / "secret.txt").write_text("not for everyone")
    return folder


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
async def front(services: Services) -> AsyncIterator[FrontEnd]:
    yield build_front_end(TransportSettings(), services, AnonymousAuthenticator())
    await services.sessions.close_all()


@pytest.fixture
async def url(front: FrontEnd, build: Path) -> AsyncIterator[str]:
    """Address of a dashboard that everyone may use."""
    async with serving_web(front, WebSettings(assets=build)) as url:
        yield url


@pytest.fixture
async def guarded_url(services: Services, tokens: Tokens, build: Path) -> AsyncIterator[str]:
    """Address of a dashboard that asks for tokens."""
    front = build_front_end(TransportSettings(), services, TokenAuthenticator(tokens.grants))
    async with serving_web(front, WebSettings(assets=build)) as url:
        yield url
    await services.sessions.close_all()
