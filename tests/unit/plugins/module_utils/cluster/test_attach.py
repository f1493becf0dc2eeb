# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attaching to a container: channels over a real WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    NotAttachable,
    Unreachable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Limits
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    Reply,
    status,
    status_object,
    text,
)

PATH = "/api/v1/namespaces/jobs/pods/job-1/attach"
V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
NOT_THERE = {"metadata": {}, "status": "Failure", "message": 'container not found ("worker")', "code": 500}

Talk = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


def kubelet(talk: Talk, *protocols: str) -> Reply:
    """Upgrade to a WebSocket with one of these protocols, and talk."""

    async def reply(request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(protocols=protocols or (V5, V4), max_msg_size=0, timeout=0.1)
        await websocket.prepare(request)
        await talk(websocket, request)
        return websocket

    return reply


async def echo(websocket: web.WebSocketResponse, _request: web.Request) -> None:
    async for message in websocket:
        assert message.type is WSMsgType.BINARY
        assert message.data[:1] == b"\x00"
        await websocket.send_bytes(b"\x01" + message.data[1:])


@pytest.mark.parametrize("protocol", [V4, V5])
async def test_both_directions(client: ClusterClient, server: ApiServer, protocol: str) -> None:
    server.on("GET", PATH, kubelet(echo, protocol))
    stream = await client.attach("jobs", "job-1", "worker")
    sent = bytes(range(256)) * 1024
    writing = asyncio.create_task(stream.write(sent))
    received = b""
    while len(received) < len(sent):
        received += await stream.read()
    await writing
    await stream.close()
    assert received == sent
    assert server.seen[0].query == {
        "container": "worker",
        "stdin": "true",
        "stdout": "true",
        "stderr": "true",
        "tty": "false",
    }
    assert server.seen[0].headers["Sec-WebSocket-Protocol"].replace(" ", "") == f"{V5},{V4}"
    assert server.seen[0].authorization == f"Bearer {SENT}"
    assert client.requests == 1


async def test_writers_do_not_mix(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", PATH, kubelet(echo))
    stream = await client.attach("jobs", "job-1", "worker")
    parts = [bytes([letter]) * 100_000 for letter in b"abc"]
    writing = asyncio.gather(*(stream.write(part) for part in parts))
    received = b""
    while len(received) < 300_000:
        received += await stream.read()
    await writing
    await stream.close()
    assert received == b"".join(parts)


async def test_quiet_is_a_line_without_a_byte_not_one_without_a_message(
    client: ClusterClient, server: ApiServer
) -> None:
    started, goes_on = asyncio.Event(), asyncio.Event()

    async def talk(websocket: web.WebSocketResponse, request: web.Request) -> None:
        assert request.transport is not None
        await started.wait()
        request.transport.write(b"\x82\x05\x01he")  # a binary frame of five bytes, of which three come
        await goes_on.wait()
        request.transport.write(b"ll")
        async for _message in websocket:
            pass

    server.on("GET", PATH, kubelet(talk))
    stream = await client.attach("jobs", "job-1", "worker")
    reading = asyncio.create_task(stream.read())
    while stream.quiet < 1.5:
        await asyncio.sleep(0.05)
    started.set()
    while stream.quiet > 1.0:
        await asyncio.sleep(0.05)
    assert not reading.done()
    goes_on.set()
    assert await reading == b"hell"
    await stream.close()
    assert stream.quiet < 60


async def test_channels_are_told_apart(client: ClusterClient, server: ApiServer) -> None:
    async def talk(websocket: web.WebSocketResponse, _request: web.Request) -> None:
        for channel in (b"\x01", b"\x02", b"\x03"):
            await websocket.send_bytes(channel)
        await websocket.send_bytes(b"\x02" + b"x" * 9000)
        await websocket.send_bytes(b"\x02the end")
        await websocket.send_bytes(b"\x01hello")
        await websocket.send_bytes(b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode())

    server.on("GET", PATH, kubelet(talk))
    stream = await client.attach("jobs", "job-1", "worker")
    assert await stream.read() == b"hello"
    assert await stream.read() == b""
    assert await stream.read() == b""
    assert stream.stderr == b"x" * (8192 - 7) + b"the end"
    assert stream.error is None
    assert stream.status == {"metadata": {}, "status": "Success"}
    await stream.close()


async def test_container_that_is_not_there_yet(client: ClusterClient, server: ApiServer) -> None:
    async def talk(websocket: web.WebSocketResponse, _request: web.Request) -> None:
        await websocket.send_bytes(b"\x03" + json.dumps(NOT_THERE).encode())

    server.on("GET", PATH, kubelet(talk))
    stream = await client.attach("jobs", "job-1", "worker")
    assert await stream.read() == b""
    assert stream.error == NOT_THERE
    await stream.close()


async def test_error_channel_with_plain_text(client: ClusterClient, server: ApiServer) -> None:
    async def talk(websocket: web.WebSocketResponse, _request: web.Request) -> None:
        await websocket.send_bytes(b"\x03broken")

    server.on("GET", PATH, kubelet(talk))
    stream = await client.attach("jobs", "job-1", "worker")
    assert await stream.read() == b""
    assert stream.error == {"kind": "Status", "status": "Failure", "message": "broken"}
    await stream.close()


async def test_cut_connection(client: ClusterClient, server: ApiServer) -> None:
    async def talk(websocket: web.WebSocketResponse, request: web.Request) -> None:
        await websocket.send_bytes(b"\x01hello")
        await websocket.receive()
        assert request.transport is not None
        request.transport.abort()

    server.on("GET", PATH, kubelet(talk))
    stream = await client.attach("jobs", "job-1", "worker")
    assert await stream.read() == b"hello"
    await stream.write(b"now")
    with pytest.raises(Unreachable) as caught:
        await stream.read()
    assert caught.value.interrupted
    with pytest.raises(Unreachable):
        for _attempt in range(10):
            await stream.write(b"more")
    await stream.close()


async def test_endless_message_is_refused(client: ClusterClient, server: ApiServer) -> None:
    async def talk(websocket: web.WebSocketResponse, _request: web.Request) -> None:
        await websocket.send_bytes(b"\x01" + bytes(16 * 1024 * 1024))

    server.on("GET", PATH, kubelet(talk))
    stream = await client.attach("jobs", "job-1", "worker")
    with pytest.raises(Unreachable):
        await stream.read()
    await stream.close()


async def test_reader_that_stalls(connection: Connection, server: ApiServer) -> None:
    async def talk(_websocket: web.WebSocketResponse, request: web.Request) -> None:
        assert isinstance(request.transport, asyncio.Transport)
        request.transport.pause_reading()
        await asyncio.Event().wait()

    server.on("GET", PATH, kubelet(talk))
    async with ClusterClient(connection, environ={}, limits=Limits(write=0.2)) as client:
        stream = await client.attach("jobs", "job-1", "worker")
        with pytest.raises(Unreachable, match=r"nothing was read for 0\.2 s"):
            await stream.write(bytes(64 * 1024 * 1024))
        await stream.close()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(
            status(400, "pod job-1 does not have a host assigned", "BadRequest"),
            "host assigned",
            id="unscheduled",
        ),
        pytest.param(status(404, 'pods "job-1" not found', "NotFound"), "not found", id="gone"),
        pytest.param(
            status(500, "error dialing backend: connection refused", "InternalError"),
            "dialing",
            id="no kubelet",
        ),
    ],
)
async def test_too_early(client: ClusterClient, server: ApiServer, reply: Reply, words: str) -> None:
    server.on("GET", PATH, reply)
    with pytest.raises(NotAttachable, match=words):
        await client.attach("jobs", "job-1", "worker")


async def test_forbidden(client: ClusterClient, server: ApiServer) -> None:
    message = (
        'pods "job-1" is forbidden: User "bob" cannot create resource "pods/attach" in API group "" '
        'in the namespace "jobs"'
    )
    server.on("GET", PATH, status(403, message, "Forbidden", {"name": "job-1", "kind": "pods"}))
    with pytest.raises(Failure) as caught:
        await client.attach("jobs", "job-1", "worker")
    assert caught.value.reason == "AttachForbidden"
    assert 'The user "bob" may not create pods/attach in the namespace "jobs"' in caught.value.message
    assert caught.value.traceback == message


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(text("<html>Welcome</html>"), "NotKubernetes", id="page"),
        pytest.param(kubelet(echo, "chat"), "NotKubernetes", id="another protocol"),
        pytest.param(status(503, "shutting down", "ServiceUnavailable"), "APIServerError", id="503"),
    ],
)
async def test_other_answers(client: ClusterClient, server: ApiServer, reply: Reply, expected: str) -> None:
    server.on("GET", PATH, reply)
    with pytest.raises((Failure, Unreachable)) as caught:
        await client.attach("jobs", "job-1", "worker")
    error: Any = caught.value
    assert getattr(error, "failure", error).reason == expected


async def test_unauthorized_is_tried_once_more(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", PATH, status(401, "Unauthorized", "Unauthorized"), kubelet(echo))
    stream = await client.attach("jobs", "job-1", "worker")
    await stream.write(b"hello")
    assert await stream.read() == b"hello"
    await stream.close()


async def test_refusal_keeps_the_servers_words(client: ClusterClient, server: ApiServer) -> None:
    body = status_object(401, "Unauthorized", "Unauthorized")
    server.on("GET", PATH, status(401, body["message"], body["reason"]))
    with pytest.raises(Failure) as caught:
        await client.attach("jobs", "job-1", "worker")
    assert (caught.value.reason, caught.value.traceback) == ("Unauthorized", "Unauthorized")
    assert len(server.seen) == 2
