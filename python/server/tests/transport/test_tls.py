from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from authority import Authority
from cryptography.hazmat.primitives import serialization
from wire_client import WireClient

from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.server import build_server
from catenary_server.transport.settings import TransportSettings
from catenary_server.transport.tls import CertificateError, CertificateFiles, Certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from authority import Issued

    from catenary_server.transport.services import Services

    Serve = Callable[[Certificates], Awaitable[int]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("server")


async def epoch(port: int, credentials: grpc.ChannelCredentials | None) -> str:
    """What a call learns; a channel of its own, so that there is a handshake."""
    address, options = f"localhost:{port}", [("grpc.use_local_subchannel_pool", 1)]
    channel = (
        grpc.aio.insecure_channel(address, options=options)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, options=options)
    )
    async with channel:
        return str((await WireClient(channel).call("GetServerInfo")).server_epoch)


@pytest.fixture
async def serve(services: Services) -> AsyncIterator[Serve]:
    servers = []

    async def start(certificates: Certificates) -> int:
        settings = TransportSettings(host="localhost", credentials=certificates.credentials())
        server = build_server(settings, services, AnonymousAuthenticator())
        servers.append(server)
        return await server.start()

    yield start
    for server in servers:
        await server.drain(grace=0)


async def refused(port: int, credentials: grpc.ChannelCredentials | None) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await epoch(port, credentials)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    return error.value.details() or ""


async def test_a_port_with_a_certificate_answers_encrypted_calls_only(
    serve: Serve, authority: Authority, issued: Issued
) -> None:
    port = await serve(Certificates(CertificateFiles(issued.certificate, issued.key)))
    assert await epoch(port, grpc.ssl_channel_credentials(authority.file.read_bytes()))
    await refused(port, None)


async def test_another_authority_is_not_trusted(serve: Serve, issued: Issued, tmp_path: Path) -> None:
    port = await serve(Certificates(CertificateFiles(issued.certificate, issued.key)))
    other = Authority(tmp_path, "other")
    assert "CERTIFICATE_VERIFY_FAILED" in await refused(port, grpc.ssl_channel_credentials(other.file.read_bytes()))


async def test_a_client_without_a_certificate_of_the_authority_is_refused(
    serve: Serve, authority: Authority, issued: Issued, tmp_path: Path
) -> None:
    port = await serve(Certificates(CertificateFiles(issued.certificate, issued.key, authority.file)))
    root = authority.file.read_bytes()
    client, stranger = authority.issue("client"), Authority(tmp_path, "other").issue("client")
    shown = grpc.ssl_channel_credentials(root, client.key.read_bytes(), client.certificate.read_bytes())
    wrong = grpc.ssl_channel_credentials(root, stranger.key.read_bytes(), stranger.certificate.read_bytes())
    assert await epoch(port, shown)
    await refused(port, grpc.ssl_channel_credentials(root))
    await refused(port, wrong)


async def test_a_renewed_certificate_serves_new_connections(serve: Serve, tmp_path: Path) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    issued = first.issue("server")
    certificates = Certificates(CertificateFiles(issued.certificate, issued.key))
    port = await serve(certificates)
    old, new = (grpc.ssl_channel_credentials(each.file.read_bytes()) for each in (first, second))
    assert await epoch(port, old)
    second.issue("server")
    certificates.renew()
    for _ in range(3):
        assert await epoch(port, new)
    await refused(port, old)


async def test_a_faulty_renewal_leaves_the_certificate_of_before(serve: Serve, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("server")
    certificates = Certificates(CertificateFiles(issued.certificate, issued.key))
    port = await serve(certificates)
    issued.certificate.write_text("half a certifi")
    with pytest.raises(CertificateError):
        certificates.renew()
    assert await epoch(port, grpc.ssl_channel_credentials(authority.file.read_bytes()))


def test_faulty_files_are_told_before_there_is_a_client(tmp_path: Path, issued: Issued) -> None:
    other = Authority(tmp_path).issue("other")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for files, says in (
        (CertificateFiles(issued.certificate, other.key), "mismatch"),
        (CertificateFiles(text, issued.key), "text.pem"),
        (CertificateFiles(tmp_path / "missing.pem", issued.key), "No such file"),
        (CertificateFiles(issued.certificate, issued.key, text), "no certificate"),
        (CertificateFiles(issued.certificate, issued.key, tmp_path / "missing.pem"), "No such file"),
    ):
        with pytest.raises(CertificateError, match=says):
            Certificates(files)


def test_a_key_with_a_password_is_told(tmp_path: Path, issued: Issued) -> None:
    key = serialization.load_pem_private_key(issued.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(CertificateError, match="password"):
        Certificates(CertificateFiles(issued.certificate, locked))
