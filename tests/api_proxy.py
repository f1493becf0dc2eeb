# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands between a client and the API server: counts the requests, keeps some back, and goes away."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)

HEAD_LIMIT = 1 << 20
PIECE = 1 << 16
WAIT_LIMIT = 240.0
"""Seconds; only a net against a hang."""
_NAMED = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?")

T = TypeVar("T")


class KeptBack:
    """A request that waits at the proxy, or its answer.

    Attributes:
        answer: the request itself has been passed on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, answer: bool) -> None:
        self.answer = answer
        self._loop = loop
        self._here = threading.Event()
        self._free = asyncio.Event()

    def wait(self) -> None:
        """Waits until the request has come."""
        assert self._here.wait(WAIT_LIMIT), "no such request has come"

    def go_on(self) -> None:
        """Lets it go."""
        self._loop.call_soon_threadsafe(self._free.set)

    async def keep(self) -> None:
        """Says that it is here, and waits until it may go."""
        self._here.set()
        await self._free.wait()


class ApiProxy:
    """A TLS server on this machine that passes all on to the API server.

    It speaks HTTP/1.1 only, so that each request of a client can be told from the next one.

    Attributes:
        requests: the requests so far, as Kubernetes names them: verb and resource, such as `create pods`.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """Gets ready.

        Args:
            kubeconfig: of the cluster; its server and its CA are used, but not its user.
            folder: for the certificate.
        """
        cluster = json.loads(kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
        server = urlsplit(cluster["server"])
        self.requests: Counter[str] = Counter()
        self._kept: dict[str, KeptBack] = {}
        self._host, self._port = str(server.hostname), server.port or 443
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._upstream = ssl.create_default_context(cadata=authority)
        own = Authority()
        self._authority = own.pem
        self._context = server_context(folder, *own.issue("127.0.0.1"))
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._own_port = 0
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def running(self) -> Iterator[ApiProxy]:
        """Serves, in a thread of its own, for as long as the block lasts."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            self.come_back()
            yield self
        finally:
            self.go_away()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def kubeconfig(self, path: Path, token: str, namespace: str) -> Path:
        """Writes a kubeconfig with which a client takes this way."""
        cluster = {
            "server": f"https://127.0.0.1:{self._own_port}",
            "certificate-authority-data": base64.b64encode(self._authority.encode()).decode(),
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [
                {"name": "proxy", "context": {"cluster": "proxy", "user": "user", "namespace": namespace}}
            ],
            "current-context": "proxy",
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def go_away(self) -> None:
        """Breaks all connections and refuses new ones, as where the API server is killed."""
        self._call(self._stop())

    def come_back(self) -> None:
        """Listens again, where it did before."""
        self._call(self._start())

    def keep_back(self, name: str, *, answer: bool = False) -> KeptBack:
        """Has the next request of this name wait, or its answer."""
        self._kept[name] = kept = KeptBack(self._loop, answer=answer)
        return kept

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._own_port, ssl=self._context, limit=HEAD_LIMIT
        )
        self._own_port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            far, out = await asyncio.open_connection(self._host, self._port, ssl=self._upstream)
            writers.append(out)
            answering = asyncio.Event()
            answering.set()
            answers = asyncio.create_task(_pump(far, writer, answering))
            try:
                await self._pass_requests(reader, out, answering)
                await answers
            finally:
                answers.cancel()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either end has gone, or we are to go
        finally:
            self._connections.discard(task)
            for each in writers:
                each.transport.abort()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, out: asyncio.StreamWriter, answering: asyncio.Event
    ) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _version = first.split(" ")
            headers = {
                name.lower(): value.strip()
                for name, colon, value in (line.partition(":") for line in lines)
                if colon
            }
            name = named(method, target)
            self.requests[name] += 1
            kept = self._kept.pop(name, None)
            if kept is not None and kept.answer:
                answering.clear()
            elif kept is not None:
                await kept.keep()
            out.write(head)
            if "upgrade" in headers:
                await _pump(reader, out)
                return
            if headers.get("transfer-encoding", "").lower() == "chunked":
                await _pass_chunks(reader, out)
            else:
                out.write(await reader.readexactly(int(headers.get("content-length") or 0)))
            await out.drain()
            if kept is not None and kept.answer:
                await kept.keep()
                answering.set()


def named(method: str, target: str) -> str:
    """A request as Kubernetes' access rules name it: `watch pods`; by its path where it has no resource."""
    url = urlsplit(target)
    match = _NAMED.fullmatch(url.path)
    if match is None:
        return f"{method.lower()} {url.path}"
    resource, name, part = match.groups()
    if method == "GET":
        verb = "watch" if parse_qs(url.query).get("watch") else "get" if name else "list"
    else:
        verb = {"POST": "create", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}[method]
    return f"{verb} {resource}/{part}" if part else f"{verb} {resource}"


async def _pass_chunks(reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    while True:
        size = await reader.readuntil(b"\r\n")
        length = int(size.split(b";")[0], 16)
        out.write(size + await reader.readexactly(length + 2))
        if length == 0:
            return


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event | None = None
) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            if flowing is not None:
                await flowing.wait()
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
