# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on the way to an API server, each caused for real."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster import network
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Limits
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    VERSION,
    ApiServer,
    document,
    status,
    text,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """A TCP server; its handlers end with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def tracked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()

    running = await asyncio.start_server(tracked, "127.0.0.1", 0)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def asked(connection: Connection, **settings: Any) -> Failure | Unreachable:
    """How asking for the version fails."""
    settings = {"environ": {}, "retry": RetryPolicy(attempts=2, first_delay=0.001), **settings}
    with pytest.raises((Failure, Unreachable)) as caught:
        async with ClusterClient(connection, **settings) as client:
            await client.check()
    assert isinstance(caught.value, (Failure, Unreachable))
    return caught.value


def at(port: int, scheme: str = "https") -> Connection:
    return Connection(host=f"{scheme}://127.0.0.1:{port}", source="the test", token=SENT)


async def test_unknown_ca(connection: Connection) -> None:
    failure = await asked(replace(connection, ca_text=Authority("another-ca").pem))
    assert isinstance(failure, Failure)
    assert failure.reason == "TLSVerification"
    assert f"The certificate of {connection.host} is signed by an unknown CA" in failure.message


async def test_system_cas_do_not_know_the_server(connection: Connection) -> None:
    failure = await asked(replace(connection, ca_text=None))
    assert isinstance(failure, Failure)
    assert (failure.reason, "unknown CA" in failure.message) == ("TLSVerification", True)


async def test_unverified_server_is_asked(connection: Connection) -> None:
    async with ClusterClient(replace(connection, ca_text=None, verify_ssl=False), environ={}) as client:
        assert await client.check() == VERSION


@pytest.mark.parametrize(
    ("names", "expired", "words"),
    [
        pytest.param(("other.test",), False, "is for another host name", id="wrong name"),
        pytest.param(("10.0.0.1",), False, "is for another host name", id="wrong address"),
        pytest.param(("127.0.0.1",), True, "has expired", id="expired"),
    ],
)
async def test_certificate_that_is_not_accepted(
    authority: Authority, tmp_path: Path, names: tuple[str, ...], expired: bool, words: str
) -> None:
    context = server_context(tmp_path, *authority.issue(*names, expired=expired))
    async with ApiServer(context) as server:
        failure = await asked(
            Connection(host=server.url, source="the test", token=SENT, ca_text=authority.pem)
        )
        assert server.seen == []
    assert isinstance(failure, Failure)
    assert failure.reason == "TLSVerification"
    assert words in failure.message


async def test_tls_server_name_is_looked_for_instead(
    authority: Authority, tmp_path: Path, connection: Connection
) -> None:
    context = server_context(tmp_path, *authority.issue("kubernetes.default.svc"))
    async with ApiServer(context) as server:
        server.on("GET", "/version", document(VERSION))
        named = replace(connection, host=server.url, tls_server_name="kubernetes.default.svc")
        async with ClusterClient(named, environ={}) as client:
            assert await client.check() == VERSION


async def test_the_servers_own_certificate_serves_as_ca(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("127.0.0.1")
    async with ApiServer(server_context(tmp_path, certificate, key)) as server:
        server.on("GET", "/version", document(VERSION))
        pinned = Connection(host=server.url, source="the test", token=SENT, ca_text=certificate)
        async with ClusterClient(pinned, environ={}) as client:
            assert await client.check() == VERSION


async def test_unreadable_ca(connection: Connection) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"
    failure = await asked(replace(connection, ca_text=broken))
    assert isinstance(failure, Failure)
    assert (failure.reason, "not readable as PEM" in failure.message) == ("TLSVerification", True)


async def test_client_certificate_is_shown(
    connection: Connection, server: ApiServer, authority: Authority
) -> None:
    certificate, key = authority.issue("bob")
    own = replace(connection, token=None, client_certificate=certificate, client_key=key)
    async with ClusterClient(own, environ={}) as client:
        await client.check()
    assert (server.seen[0].client_name, server.seen[0].authorization) == ("bob", None)


async def test_client_key_of_another_certificate(connection: Connection, authority: Authority) -> None:
    certificate, _key = authority.issue("bob")
    _certificate, key = authority.issue("bob")
    failure = await asked(replace(connection, client_certificate=certificate, client_key=key))
    assert isinstance(failure, Failure)
    assert (failure.reason, "belong together" in failure.message) == ("InvalidConfiguration", True)


async def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        trouble = await asked(at(free.getsockname()[1]))
    assert isinstance(trouble, Unreachable)
    assert trouble.failure.reason == "ConnectionRefused"
    assert "Nothing listens at https://127.0.0.1" in trouble.failure.message
    assert trouble.unsent


async def test_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_keywords: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    trouble = await asked(Connection(host="https://nowhere.test:6443", source="the test", token=SENT))
    assert isinstance(trouble, Unreachable)
    assert trouble.failure.reason == "NameResolution"
    assert "https://nowhere.test:6443" in trouble.failure.message
    assert trouble.unsent


@pytest.mark.parametrize("proxy", [None, "http://proxy.test:3128"], ids=["direct", "proxy"])
async def test_name_for_which_no_answer_comes(monkeypatch: pytest.MonkeyPatch, proxy: str | None) -> None:
    over = threading.Event()

    def wait(*_arguments: object, **_keywords: object) -> None:
        over.wait()

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    monkeypatch.setattr(network, "_RESOLVING_SHARE", 0.001)
    host = "https://nowhere.test:6443"
    away = Connection(host=host, source="the test", token=SENT, proxy_url=proxy)
    try:
        trouble = await asked(away, limits=Limits(connect=60))
    finally:
        over.set()
    assert isinstance(trouble, Unreachable)
    assert trouble.failure.reason == "NameResolution"
    what = host if proxy is None else f"the proxy {proxy}"
    assert f"The host name of {what} can't be resolved: " in trouble.failure.message
    assert "no answer within 0.06 s" in trouble.failure.message
    assert trouble.unsent


async def test_names_get_less_time_than_connections() -> None:
    assert network.Resolver(Limits().connect)._seconds == 8


async def test_silence_before_the_connection_stands() -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(silent) as port:
        trouble = await asked(at(port), limits=Limits(connect=0.05))
    assert isinstance(trouble, Unreachable)
    assert trouble.failure.reason == "ConnectionTimeout"
    assert "did not accept a connection within 0.05 s" in trouble.failure.message
    assert trouble.unsent


async def test_silence_instead_of_an_answer(connection: Connection, server: ApiServer) -> None:
    async def silent(_request: object) -> Any:
        await asyncio.Event().wait()

    server.on("GET", "/version", silent)
    trouble = await asked(connection, limits=Limits(request=0.3))
    assert isinstance(trouble, Unreachable)
    assert trouble.failure.reason == "ConnectionTimeout"
    assert "did not answer within 0.3 s" in trouble.failure.message
    assert not trouble.unsent, "the server may have done what it was asked for"


async def test_connection_cut_in_the_handshake() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with listening(cut) as port:
        trouble = await asked(at(port))
    assert isinstance(trouble, Unreachable)
    assert (trouble.failure.reason, trouble.interrupted) == ("ConnectionRefused", True)


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", id="HTTP"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="SSH"),
    ],
)
async def test_server_without_tls(greeting: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        await reader.read()

    async with listening(greet) as port:
        failure = await asked(at(port))
    assert isinstance(failure, Failure)
    assert (failure.reason, "does not speak TLS" in failure.message) == ("NotKubernetes", True)


async def test_server_without_http() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        await reader.read()

    async with listening(greet) as port:
        failure = await asked(at(port, "http"))
    assert isinstance(failure, Failure)
    assert failure.reason == "NotKubernetes"
    assert "if it speaks TLS, use https://" in failure.message


async def test_plain_http_to_a_port_with_tls(server: ApiServer) -> None:
    """Python's TLS hangs up, where Go's servers and nginx answer with a text."""
    failure = await asked(at(server.port, "http"))
    assert "https://" in str(failure)


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        pytest.param(
            document(VERSION), "InvalidConfiguration", "without TLS.* give an https:// URL", id="Kubernetes"
        ),
        pytest.param(
            status(403, "forbidden", "Forbidden"),
            "InvalidConfiguration",
            "without TLS",
            id="Kubernetes that forbids",
        ),
        pytest.param(text("<html>Welcome</html>"), "NotKubernetes", "Welcome", id="web server"),
        pytest.param(
            text("Client sent an HTTP request to an HTTPS server.", 400),
            "InvalidConfiguration",
            r"wants TLS: use https://127.0.0.1:\d+\.$",
            id="wants TLS",
        ),
        pytest.param(
            text("<h1>400</h1>The plain HTTP request was sent to HTTPS port", 400),
            "InvalidConfiguration",
            "wants TLS: use https://127.0.0.1",
            id="nginx wants TLS",
        ),
    ],
)
async def test_plain_http_never_sees_the_token(reply: Any, reason: str, words: str) -> None:
    async with ApiServer(None) as server:
        server.on("GET", "/version", reply)
        connection = Connection(host=server.url, source="the test", token=SENT)
        failure = await asked(connection)
        async with ClusterClient(connection, environ={}) as client:
            for request in (client.get_pod("jobs", "a"), client.attach("jobs", "a", "worker")):
                with pytest.raises(Failure):
                    await request
        assert {(seen.path, seen.authorization) for seen in server.seen} == {("/version", None)}
    assert isinstance(failure, Failure)
    assert failure.reason == reason
    assert re.search(words, failure.message)


class ProxyServer:
    """An HTTP proxy that leads every CONNECT to one port."""

    def __init__(self, port: int, answer: bytes = b"200 Connection established") -> None:
        self.port = port
        self.answer = answer
        self.asked: list[tuple[str, str | None]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines[1:])
        }
        self.asked.append((lines[0], headers.get("proxy-authorization")))
        writer.write(b"HTTP/1.1 " + self.answer + b"\r\n\r\n")
        await writer.drain()
        if not self.answer.startswith(b"200"):
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            back.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(65536):
            target.write(piece)
            await target.drain()
        target.close()


async def test_proxy_of_the_environment_with_authentication(
    server: ApiServer, connection: Connection
) -> None:
    proxy = ProxyServer(server.port)
    async with listening(proxy) as port:
        environ = {"HTTPS_PROXY": f"http://bob:p%40ss@127.0.0.1:{port}"}
        named = replace(connection, host="https://api.test:6443")
        async with ClusterClient(named, environ=environ) as client:
            assert await client.check() == VERSION
    assert proxy.asked == [("CONNECT api.test:6443 HTTP/1.1", "Basic Ym9iOnBAc3M=")]
    assert "Proxy-Authorization" not in server.seen[0].headers


async def test_proxy_of_the_kubeconfig(server: ApiServer, connection: Connection) -> None:
    proxy = ProxyServer(server.port)
    async with listening(proxy) as port:
        behind = replace(connection, proxy_url=f"http://127.0.0.1:{port}")
        async with ClusterClient(behind, environ={"NO_PROXY": "*"}) as client:
            assert await client.check() == VERSION
    assert len(proxy.asked) == 1


async def test_proxy_that_wants_another_password(connection: Connection) -> None:
    async with listening(ProxyServer(0, b"407 Proxy Authentication Required")) as port:
        failure = await asked(replace(connection, proxy_url=f"http://bob:wrong@127.0.0.1:{port}"))
    assert isinstance(failure, Failure)
    assert failure.reason == "InvalidConfiguration"
    assert "407 Proxy Authentication Required" in failure.message
    assert "wrong" not in repr(failure)


async def test_proxy_that_finds_no_server(connection: Connection) -> None:
    async with listening(ProxyServer(0, b"503 Service Unavailable")) as port:
        trouble = await asked(replace(connection, proxy_url=f"http://127.0.0.1:{port}"))
    assert isinstance(trouble, Unreachable)
    assert "503 Service Unavailable" in trouble.failure.message


async def test_proxy_that_is_not_there(connection: Connection) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        trouble = await asked(replace(connection, proxy_url=f"http://127.0.0.1:{port}"))
    assert isinstance(trouble, Unreachable)
    assert f"the proxy http://127.0.0.1:{port}" in trouble.failure.message
