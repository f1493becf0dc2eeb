# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the launcher what happens, without ever making the job wait for a slow or stopped terminal."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch, Event

BUFFER_LIMIT = 16 << 20
"""Bytes of output that wait for the launcher; what is beyond is read from the store when its turn comes."""
STORE_PAUSE = 0.05
"""Seconds between two looks for events that are still on their way to the store."""

Message = dict[str, Any]
OutputLine = tuple[str, bool, str]
"""Name of an event, whether its task changed something, and its output."""
StoredAfter = Callable[[int], Awaitable[list[Event]]]
"""The next events after a counter, from the store."""


@dataclass
class Gap:
    """Output that is not kept, but read from the store when its turn comes.

    Attributes:
        stored_after: reads it.
        told: counter of the last event before what is still to be told.
        last: counter of its last event.
    """

    stored_after: StoredAfter
    told: int
    last: int


class LauncherFeed:
    """A `Progress` that writes messages, one JSON line each, to the launcher's pipe.

    Attributes:
        gone: the launcher no longer reads.
        stored_after: how to read events from the store; without it everything is kept.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        """Starts to write to the launcher's pipe."""
        self.gone = asyncio.Event()
        self.stored_after: StoredAfter | None = None
        self._writer = writer
        # What is written is in the pipe, and not in this process, which may end with the last message.
        writer.transport.set_write_buffer_limits(0)
        self._queue: deque[Message | Gap] = deque()
        self._size = 0  # of the output in the queue
        self._all_stored = False
        self._told_left_out = False
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
        if self._size <= BUFFER_LIMIT or self.stored_after is None:
            self.output(batch.events)
            return
        newest = self._queue[-1] if self._queue else None
        last = batch.events[-1].counter
        if isinstance(newest, Gap):
            newest.last = last
        else:
            self._add(Gap(self.stored_after, batch.events[0].counter - 1, last))

    # -- others --

    def tell(self, message: Message) -> None:
        """Sends a message after all that were sent before."""
        self._add(message)

    def output(self, events: list[Event]) -> None:
        """Shows the output of events."""
        lines = _lines(events)
        if lines and not self.gone.is_set():
            self._size += _size(lines)
            self.tell({"type": "output", "events": lines})

    def all_stored(self) -> None:
        """Tells that nothing more comes to the store: events that are not there by now never will be."""
        self._all_stored = True

    def leave(self) -> None:
        """Takes the launcher for gone, whatever its pipe says, and drops what waits for it."""
        self.gone.set()
        self._queue.clear()
        self._task.cancel()
        if not self._writer.transport.is_closing():
            self._writer.transport.abort()

    async def flush(self) -> None:
        """Waits until the launcher has taken everything, or is gone.

        Whatever error may have ended the writing is raised.
        """
        waiters = [asyncio.create_task(event.wait()) for event in (self._idle, self.gone)]
        await asyncio.wait((*waiters, self._task), return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()
        if self._task.done() and not self._task.cancelled():
            self._task.result()

    async def close(self) -> None:
        """Stops telling."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # -- writing --

    def _add(self, entry: Message | Gap) -> None:
        if not self.gone.is_set():
            self._queue.append(entry)
            self._idle.clear()
            self._more.set()

    async def _write_all(self) -> None:
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                while self._queue:
                    await self._write_next()
                self._idle.set()
        except (BrokenPipeError, ConnectionResetError):
            self.gone.set()
            self._queue.clear()

    async def _write_next(self) -> None:
        entry = self._queue[0]
        if isinstance(entry, Gap):
            await self._fill(entry)
            if entry.told < entry.last:
                return
        self._queue.popleft()
        if not isinstance(entry, Gap):
            if entry["type"] == "output":
                self._size -= _size(entry["events"])
            await self._write(entry)

    async def _write(self, message: Message) -> None:
        self._writer.write(json.dumps(message).encode("ascii") + b"\n")
        await self._writer.drain()

    async def _fill(self, gap: Gap) -> None:
        """Tells some of what was not kept; what is not stored yet will be in a moment, or never."""
        final, trouble = self._all_stored, ""
        events: list[Event] = []
        try:
            events = [event for event in await gap.stored_after(gap.told) if event.counter <= gap.last]
        except Exception as exc:  # whatever ails the store must not keep the result from the launcher
            trouble = str(exc) or repr(exc)
        if events:
            gap.told = events[-1].counter
            lines = _lines(events)
            if lines:
                await self._write({"type": "output", "events": lines})
        elif trouble or final:
            gap.told = gap.last
            await self._tell_left_out(trouble or "It could not be stored.")
        else:
            await asyncio.sleep(STORE_PAUSE)

    async def _tell_left_out(self, why: str) -> None:
        if not self._told_left_out:
            self._told_left_out = True
            text = f"some of the playbook's output is not shown here: {why}"
            await self._write({"type": "warning", "text": plain_text(text)})


def _lines(events: list[Event]) -> list[OutputLine]:
    return [(event.name, event.changed, plain_text(event.stdout)) for event in events if event.stdout]


def _size(lines: list[OutputLine]) -> int:
    return sum(len(text) for _name, _changed, text in lines)
