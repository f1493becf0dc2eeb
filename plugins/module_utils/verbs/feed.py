# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the launcher what happens, without ever making the job wait for a slow or stopped terminal."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch, Event

BUFFER_LIMIT = 16 << 20
"""Bytes of output that wait for the launcher; what is beyond is read from the store when its turn comes."""

Message = dict[str, Any]
OutputLine = tuple[str, bool, str]
"""Name of an event, whether its task changed something, and its output."""


class LauncherFeed:
    """A `Progress` that writes messages, one JSON line each, to the launcher's pipe.

    Attributes:
        gone: the launcher no longer reads.
        stored_after: the next events after a counter, from the store; without it everything is kept.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        """Starts to write to the launcher's pipe."""
        self.gone = asyncio.Event()
        self.stored_after: Callable[[int], Awaitable[list[Event]]] | None = None
        self._writer = writer
        self._queue: deque[Message] = deque()
        self._size = 0
        self._told = 0  # counter of the last event that was told or is in the queue
        self._behind = False
        self._last_event = 0
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._write_all())

    # -- Progress --

    def step(self, text: str, verbosity: int = 0) -> None:
        """Tells what happened; the launcher shows it from `verbosity` on."""
        self.tell({"type": "step", "text": plain_text(text), "verbosity": verbosity})

    def warning(self, text: str) -> None:
        """Tells what went wrong and may go away."""
        self.tell({"type": "warning", "text": plain_text(text)})

    def events(self, batch: Batch) -> None:
        """Tells the output of events; what the launcher is too slow for, it gets from the store."""
        self._last_event = batch.events[-1].counter
        if self._behind or (self._size > BUFFER_LIMIT and self.stored_after is not None):
            self._behind = True
            self._wake()
            return
        self._told = self._last_event
        self.output(batch.events)

    # -- others --

    def tell(self, message: Message) -> None:
        """Sends a message after all that were sent before."""
        if not self.gone.is_set():
            self._queue.append(message)
            self._wake()

    def output(self, events: list[Event]) -> None:
        """Shows the output of events."""
        lines: list[OutputLine] = [
            (event.name, event.changed, plain_text(event.stdout)) for event in events if event.stdout
        ]
        if lines:
            self._size += _size(lines)
            self.tell({"type": "output", "events": lines})

    async def flush(self) -> None:
        """Waits until the launcher has taken everything, or is gone."""
        waiters = [asyncio.create_task(event.wait()) for event in (self._idle, self.gone)]
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()

    async def close(self) -> None:
        """Stops telling."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # -- writing --

    def _wake(self) -> None:
        self._idle.clear()
        self._more.set()

    async def _write_all(self) -> None:
        try:
            while True:
                await self._more.wait()
                await self._write_queue()
                while self._behind and not self.gone.is_set():
                    await self._catch_up()
                    await self._write_queue()
                self._more.clear()
                if not self._queue and not self._behind:
                    self._idle.set()
                else:
                    self._more.set()
        except (BrokenPipeError, ConnectionResetError):
            self.gone.set()
            self._queue.clear()

    async def _write_queue(self) -> None:
        writer = self._writer
        while self._queue:
            message = self._queue.popleft()
            writer.write(json.dumps(message).encode("ascii") + b"\n")
            if message["type"] == "output":
                self._size -= _size(message["events"])
            await writer.drain()

    async def _catch_up(self) -> None:
        """Reads what was not kept; what is not stored yet will be in a moment."""
        events = await self.stored_after(self._told) if self.stored_after is not None else []
        if events:
            self._told = events[-1].counter
            self.output(events)
        elif self._told < self._last_event:
            await asyncio.sleep(0.05)
        self._behind = self._told < self._last_event


def _size(lines: list[OutputLine]) -> int:
    return sum(len(text) for _name, _changed, text in lines)
