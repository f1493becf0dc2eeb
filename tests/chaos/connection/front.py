# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer before the API server, which answers some requests itself.

A real API server says 429 and 410 as its load and the age of its data have it, so this says it in its place.
All else is between the job and the real API server: requests and answers go on as they are.

As for `GOAWAY`: it is HTTP/2's word for a connection on which nothing more may be asked. The controller
speaks HTTP/1.1, where `Connection: close` says that, so this says it with every answer.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)

GONE = "watch 410"
EXPIRED = "watch expired"
BUSY = "429"
CUT = "cut"


class Front:
    """The load balancer.

    Attributes:
        ca_pem: the authority of its certificate.
        port: of this machine, that it listens on.
        done: how often each fault happened to each kind of request (`create`, `watch`, `attach`, ...).
    """

    def __init__(self, api_server: str, upstream: ssl.SSLContext, folder: Path) -> None:
        """Gets ready.

        Args:
            api_server: host and port.
            upstream: for connections to it.
            folder: for its certificate.
        """
        authority = Authority("front")
        self.ca_pem = authority.pem
        self.port = 0
        self.done: Counter[tuple[str, str]] = Counter()
        self._context = server_context(folder, *authority.issue("127.0.0.1"))
        self._host, _colon, self._api_port = api_server.rpartition(":")
        self._upstream = upstream
        self._faults: dict[str, list[str]] = {}
        self._open: dict[str, set[asyncio.StreamWriter]] = {}
        self._loop = asyncio.new_event_loop()

    def next_answers(self, kind: str, *faults: str) -> None:
        """What happens to the next requests of a kind; requests after these go on to the API server."""
        self._faults.setdefault(kind, []).extend(faults)

    def waiting(self, kind: str) -> int:
        """How many faults of a kind of request have not happened yet."""
        return len(self._faults.get(kind, ()))

    def cut(self, kind: str) -> None:
        """Breaks the open connections of a kind of request."""
        self._loop.call_soon_threadsafe(self._cut, kind)

    def _cut(self, kind: str) -> None:
        for writer in self._open.get(kind, set()).copy():
            writer.transport.abort()

    @contextmanager
    def running(self) -> Iterator[Front]:
        """Serves while the block lasts, in a thread of its own."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(server), self._loop).result(30)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(30)
            self._loop.close()

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes one request of a connection; it is its last one."""
        with suppress(OSError, asyncio.IncompleteReadError):
            try:
                await self._answer(reader, writer)
            finally:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        kind = _kind(head)
        faults = self._faults.get(kind, [])
        if not faults:
            await self._pass_on(kind, head, reader, writer)
            return
        fault = faults.pop(0)
        self.done[kind, fault] += 1
        if length := re.search(r"(?im)^content-length: (\d+)", head):
            await reader.readexactly(int(length[1]))
        if fault == CUT:
            writer.transport.abort()
            return
        writer.write(_refusal(fault))
        await writer.drain()

    async def _pass_on(
        self, kind: str, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not re.search(r"(?im)^upgrade:", head):
            head = re.sub(r"(?im)^connection:.*\r\n", "", head)
            head = head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
        there_reader, there = await asyncio.open_connection(
            self._host, int(self._api_port), ssl=self._upstream
        )
        opened = self._open.setdefault(kind, set())
        opened.add(writer)
        try:
            there.write(head.encode("latin-1"))
            copying = [
                asyncio.ensure_future(_copy(*pair)) for pair in ((reader, there), (there_reader, writer))
            ]
            try:
                await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in copying:
                    task.cancel()
                await asyncio.gather(*copying, return_exceptions=True)
        finally:
            opened.discard(writer)
            there.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()


def _kind(head: str) -> str:
    """Kubernetes' word for a request, as far as the tests need it."""
    method, path = head.split(" ", 2)[:2]
    if "/attach?" in path:
        return "attach"
    if "watch=true" in path:
        return "watch"
    return {"POST": "create", "GET": "get", "DELETE": "delete"}[method]


def _refusal(fault: str) -> bytes:
    """An answer of the API server's kind."""
    code, reason = (429, "TooManyRequests") if fault == BUSY else (410, "Expired")
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": "the test says so",
        "code": code,
    }
    content: object = {"type": "ERROR", "object": status} if fault == EXPIRED else status
    body = json.dumps(content).encode() + b"\n"
    line = "200 OK" if fault == EXPIRED else f"{code} {reason}"
    retry = "Retry-After: 1\r\n" if fault == BUSY else ""
    head = f"HTTP/1.1 {line}\r\nContent-Type: application/json\r\n{retry}Connection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
