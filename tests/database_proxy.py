# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands between clients and a PostgreSQL server: cuts them off, swallows an answer, or falls silent."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import make_url

PIECE = 1 << 16
COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
"""A commit as a client sends it (PostgreSQL: Message Formats, Query)."""
SO_ATTACH_FILTER = 26
NOTHING = struct.pack("HBBI", 6, 0, 0, 0)
"""A packet filter that lets nothing pass (Linux: BPF_RET | BPF_K)."""

T = TypeVar("T")


class DatabaseProxy:
    """A TCP port of this machine that leads to a server's socket.

    Attributes:
        url: of the database, this way.
        swallows: the next commit is passed on, but its client hears no answer: the connection is gone.
    """

    def __init__(self, url: str) -> None:
        """Gets ready.

        Args:
            url: of the database, by its server's socket.
        """
        self.swallows = False
        self._given = make_url(url)
        self._socket = f"{self._given.query['host']}/.s.PGSQL.5432"
        self._port = 0
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], socket.socket] = {}
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def running(self) -> Iterator[DatabaseProxy]:
        """Serves, in a thread of its own, for as long as the block lasts."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            self.mend()
            yield self
        finally:
            self.cut()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    @property
    def url(self) -> str:
        """The database's, by this way."""
        there = self._given.set(host="127.0.0.1", port=self._port, query={})
        return there.render_as_string(hide_password=False)

    def cut(self) -> None:
        """Breaks all connections, and refuses new ones."""
        self._call(self._stop())

    def mend(self) -> None:
        """Listens, where it did before."""
        self._call(self._start())

    def fall_silent(self) -> None:
        """Takes no packet any more from whoever is connected now, and does not say so, as a firewall does."""
        self._call(self._drop())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _drop(self) -> None:
        code = ctypes.create_string_buffer(NOTHING)
        program = struct.pack("HL", 1, ctypes.addressof(code))
        for client in self._clients.values():
            client.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer.get_extra_info("socket")
        writers = [writer]
        try:
            far, out = await asyncio.open_unix_connection(self._socket)
            writers.append(out)
            answering = asyncio.create_task(_pump(far, writer))
            try:
                while piece := await reader.read(PIECE):
                    swallowed = self.swallows and COMMIT in piece
                    if swallowed:
                        self.swallows = False
                        answering.cancel()
                        await asyncio.gather(answering, return_exceptions=True)
                    out.write(piece)
                    await out.drain()
                    if swallowed:
                        await far.read(PIECE)
                        return
            finally:
                answering.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # either end has gone, or we are to go
        finally:
            del self._clients[task]
            for each in writers:
                each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
    writer.close()
