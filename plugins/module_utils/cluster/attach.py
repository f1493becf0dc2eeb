# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream to and from an attached container: Kubernetes' channels over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket as sockets
import struct
import time
from typing import Any

import aiohttp
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.network import TROUBLE
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
MESSAGE_LIMIT = 16 * 1024 * 1024
"""Bytes of one message; the kubelet's are 32 KiB, so more is not from a kubelet."""

STDIN, STDOUT, STDERR, ERROR = 0, 1, 2, 3
_STDERR_LIMIT = 8 * 1024
_PIECE = 32 * 1024
_CLOSE_SECONDS = 2.0
_LAST_DATA_RECEIVED = struct.Struct("@52xI")
"""Of Linux' `struct tcp_info` (linux/tcp.h): milliseconds since the last data came."""


class AttachStream:
    """Standard input, output and error of a running container.

    One task may read while others write. Closing it, or losing it, leaves the container running.

    Attributes:
        stderr: the last 8 KiB of the container's standard error.
        status: the `Status` that Kubernetes ended the stream with, None as long as there is none.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Any], host: str, write_seconds: float) -> None:
        """Wrap an open WebSocket.

        Args:
            socket: one that speaks one of `PROTOCOLS`.
            host: the API server's URL, for messages.
            write_seconds: how long one piece may wait for the other side to read.
        """
        self.stderr = b""
        self.status: dict[str, Any] | None = None
        self._socket = socket
        self._host = host
        self._write_seconds = write_seconds
        self._writing = asyncio.Lock()
        self._received_at = time.monotonic()

    @property
    def error(self) -> dict[str, Any] | None:
        """The `Status` where it says that something went wrong, for example `container not found`."""
        if self.status is None or self.status.get("status") == "Success":
            return None
        return self.status

    @property
    def quiet(self) -> float:
        """Seconds for which not a byte has come over the connection.

        The kernel knows, where it is Linux: on a slow line a single message is under way for longer than a
        live container is ever silent.
        """
        own = time.monotonic() - self._received_at
        raw = self._socket.get_extra_info("socket")
        if raw is None or not hasattr(sockets, "TCP_INFO"):
            return own
        try:
            facts = raw.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _LAST_DATA_RECEIVED.size)
        except OSError:
            return own
        if len(facts) < _LAST_DATA_RECEIVED.size:
            return own
        return min(own, float(_LAST_DATA_RECEIVED.unpack(facts)[0]) / 1000)

    async def read(self) -> bytes:
        """The next bytes of the container's standard output; empty when Kubernetes has closed the stream.

        Raises:
            Unreachable: the connection broke.
        """
        while True:
            try:
                message = await self._socket.receive()
            except TROUBLE as error:
                raise self._lost("the connection broke", error) from error
            self._received_at = time.monotonic()
            if message.type is aiohttp.WSMsgType.BINARY:
                output = self._take(message.data)
                if output:
                    return output
            elif message.type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSING,
                aiohttp.WSMsgType.CLOSED,
            ):
                if self._socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE:
                    raise self._lost("the connection broke", self._socket.exception())
                return b""
            elif message.type is aiohttp.WSMsgType.ERROR:
                raise self._lost("the connection broke", self._socket.exception())

    async def write(self, content: bytes) -> None:
        """Send bytes to the container's standard input, in order, even where several tasks write.

        Raises:
            Unreachable: the connection broke, or the other side has not read for too long.
        """
        async with self._writing:
            for start in range(0, len(content), _PIECE):
                piece = b"\x00" + content[start : start + _PIECE]
                try:
                    await within(self._write_seconds, self._socket.send_bytes(piece))
                except asyncio.TimeoutError as error:
                    raise self._lost(f"nothing was read for {self._write_seconds:g} s", error) from error
                except TROUBLE as error:
                    raise self._lost("the connection broke", error) from error

    async def close(self) -> None:
        """Detach. Never fails and never waits long; the connection is cut if it can't be closed in order."""
        # Being cancelled, the socket's own close cuts the connection: a client that is still connected but no
        # longer reads would block the container's output.
        with contextlib.suppress(*TROUBLE):
            await within(_CLOSE_SECONDS, self._socket.close())

    def _take(self, message: bytes) -> bytes:
        """Put one message where it belongs; the bytes of standard output are returned."""
        if len(message) < 2:
            return b""
        channel, content = message[0], message[1:]
        if channel == STDOUT:
            return content
        if channel == STDERR:
            self.stderr = (self.stderr + content)[-_STDERR_LIMIT:]
        elif channel == ERROR:
            self.status = _status(content)
        return b""

    def _lost(self, what: str, error: BaseException | None) -> Unreachable:
        failure = Failure(
            "ConnectionRefused",
            f"The attached stream by {self._host} was lost: {what}.",
            traceback=str(error or ""),
        )
        return Unreachable(failure, interrupted=True)


def _status(content: bytes) -> dict[str, Any]:
    """The error channel's `Status`; whatever else is there becomes one."""
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    return {"kind": "Status", "status": "Failure", "message": content.decode("utf-8", "replace")}
