"""The dashboard's port: where it listens, encrypted or not, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from authority import Authority
from message_source import NAME, MessageSource
from served_web import serving_web
from web_client import DEADLINE, Http, PageClient, fetch

from catenary_server.transport.listening import ListenError
from catenary_server.transport.tls import CertificateFiles, Certificates
from catenary_server.transport.web import connections
from catenary_server.transport.web.server import WebServer, WebSettings

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.transport.front_end import FrontEnd

RESTARTING = 1012


async def test_a_free_port_is_taken_and_told(front: FrontEnd) -> None:
    async with serving_web(front) as one, serving_web(front) as other:
        assert one != other
        assert (await fetch(one)).status == (await fetch(other)).status == 200


async def test_a_port_that_is_taken_is_refused_with_the_option_that_names_another(front: FrontEnd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"the dashboard cannot listen on 127\.0\.0\.1:{port}") as refused:
            await WebServer(WebSettings(port=port), front).start()
    assert refused.value.option == "--dashboard-port"


async def test_an_address_of_another_machine_is_refused(front: FrontEnd) -> None:
    with pytest.raises(ListenError):
        await WebServer(WebSettings(host="192.0.2.1"), front).start()


async def test_localhost_is_served_on_every_address_that_it_has(front: FrontEnd) -> None:
    async with serving_web(front, WebSettings(host="localhost")) as url:
        assert url.startswith("http://localhost:")
        port = url.rstrip("/").rpartition(":")[2]
        assert (await fetch(f"http://127.0.0.1:{port}/")).status == 200


async def test_a_server_that_listens_everywhere_is_called_from_the_same_machine_or_by_its_name(front: FrontEnd) -> None:
    everywhere = "0.0.0.0"  # noqa: S104 - what an operator may choose
    async with serving_web(front, WebSettings(host=everywhere)) as url:
        assert url.startswith("http://localhost:")
        assert (await fetch(url)).status == 200
    named = WebSettings(host=everywhere, hosts=("gpu.example.org", "https://runs.example.org"))
    async with serving_web(front, named) as url:
        assert url.startswith("http://gpu.example.org:")


async def test_an_encrypted_port_takes_encrypted_pages_and_a_renewed_certificate(
    front: FrontEnd, tmp_path: Path
) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    issued = first.issue("server")
    certificates = Certificates(CertificateFiles(issued.certificate, issued.key))
    async with serving_web(front, WebSettings(host="localhost", ssl=certificates.ssl_context)) as url:
        assert url.startswith("https://localhost:")
        own = url.rstrip("/")
        trusting = ssl.create_default_context(cafile=first.file)
        assert (await fetch(url, headers={"origin": own}, tls=trusting)).status == 200
        assert (await fetch(url, headers={"origin": own.replace("https", "http")}, tls=trusting)).status == 403
        async with PageClient.open(url, ssl=trusting, origin=own) as page:
            assert page.welcome.principal == "anonymous"
        second.issue("server")
        certificates.renew()
        assert (await fetch(url, tls=ssl.create_default_context(cafile=second.file))).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await fetch(url, tls=trusting)


async def test_where_clients_need_a_certificate_so_do_pages(front: FrontEnd, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued, client = authority.issue("server"), authority.issue("client")
    certificates = Certificates(CertificateFiles(issued.certificate, issued.key, authority.file))
    async with serving_web(front, WebSettings(host="localhost", ssl=certificates.ssl_context)) as url:
        nobody = ssl.create_default_context(cafile=authority.file)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await fetch(url, tls=nobody)
        somebody = ssl.create_default_context(cafile=authority.file)
        somebody.load_cert_chain(client.certificate, client.key)
        assert (await fetch(url, tls=somebody)).status == 200


async def test_a_page_that_is_open_for_long_has_to_say_again_who_it_speaks_for(front: FrontEnd) -> None:
    source = MessageSource()
    async with serving_web(source.behind(front), WebSettings(page_age=0.05)) as url, PageClient.open(url) as page:
        await page.begin(NAME, session_id="s")
        assert await page.closed() == (RESTARTING, "connect again")
        await source.until(under_way=0)


async def test_pages_that_watch_are_sent_away_at_the_end_whether_they_listen_or_not(
    front: FrontEnd, caplog: pytest.LogCaptureFixture
) -> None:
    source = MessageSource()
    source.size = 1 << 20
    server = WebServer(WebSettings(), source.behind(front))
    url = await server.start()
    async with PageClient.open(url) as idle, PageClient.open(url) as watching, PageClient.open(url) as stuck:
        await watching.begin(NAME, session_id="s")
        await watching.read()
        await stuck.begin(NAME, credit=1000, session_id="s")
        await source.until(under_way=2)
        stuck.socket.transport.pause_reading()
        server.dismiss_pages()
        server.dismiss_pages()
        await source.until(under_way=0)
        for page in (idle, watching):
            assert await page.closed() == (RESTARTING, "DRAINING")
        async with asyncio.timeout(DEADLINE):
            await server.stop()
        stuck.socket.transport.abort()
    assert not caplog.records
    with pytest.raises(ConnectionError):
        await fetch(url)


async def test_it_stops_while_a_request_is_on_its_way(front: FrontEnd) -> None:
    server = WebServer(WebSettings(), front)
    url = await server.start()
    async with Http.open(url) as http:
        http.send("GET", "/", {})
        assert (await http.answer()).status == 200
        async with asyncio.timeout(DEADLINE):
            await server.stop()


async def test_who_begins_a_request_and_does_not_go_on_is_disconnected(
    front: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)
    async with serving_web(front) as url:
        for said in (b"", b"GET / HTTP/1.1\r\nhost: "):
            async with Http.open(url) as http:
                await http.cut_off(said)
        async with Http.open(url) as http:
            http.send("GET", "/", {})
            assert (await http.answer()).status == 200
            await http.cut_off(b"GET / HTTP")


async def test_a_page_is_not_taken_for_somebody_who_sends_no_request(
    front: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)
    async with serving_web(MessageSource().behind(front)) as url, PageClient.open(url) as page:
        async with Http.open(url) as later:
            await later.cut_off()  # so the time of those that came before is over, too
        await page.begin(NAME, session_id="s")
        assert (await page.read()).message


async def test_connections_have_a_bound(front: FrontEnd) -> None:
    async with serving_web(front, WebSettings(connections=3)) as url, Http.open(url) as one, Http.open(url) as two:
        for http in (one, two):
            http.send("GET", "/", {})
            assert (await http.answer()).status == 200
        async with Http.open(url) as third:
            third.send("GET", "/", {})
            assert (await third.answer()).status == 503


async def test_what_is_no_http_is_answered_and_forgotten(front: FrontEnd) -> None:
    async with serving_web(front) as url:
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
        writer.close()
        assert (await fetch(url)).status == 200
