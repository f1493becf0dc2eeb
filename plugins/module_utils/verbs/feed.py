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
StoredAfter = Callable[[int], Awaitable[list[Event]]]
"""The next events after a counter, from the store."""


@dataclass
class Gap:
    """Output that is not kept, but read from the store when its turn comes.

    Attributes:
        job: the feed of its job.
        told: counter of the last event before what is still to be told.
        last: counter of its last event.
        forgotten: the store does not have it any more, and may have something else by these numbers.
    """

    job: JobFeed
    told: int
    last: int
    forgotten: bool = False


class JobFeed:
    """A `Progress` that tells the launcher about one of the jobs that it hears of.

    Attributes:
        stored_after: how to read the job's events from the store; without it all its output is kept.
        all_stored: nothing more comes to the store; events that are not there by now never will be.
        told_left_out: it was said that output is missing.
    """

    def __init__(self, feed: LauncherFeed, job_id: int, stored_after: StoredAfter | None = None) -> None:
        self.stored_after = stored_after
        self.all_stored = False
        self.told_left_out = False
        self._feed = feed
        self._job_id = job_id
        self._seen = 0  # by the launcher, of an earlier job process

    def step(self, text: str, verbosity: int = 0) -> None:
        """Tells what happened; the launcher shows it from `verbosity` on."""
        self._feed.step(text, verbosity, self._job_id)

    def warning(self, text: str) -> None:
        """Tells what went wrong and may go away."""
        self._feed.warning(text, self._job_id)

    def events(self, batch: Batch) -> None:
        """Tells the output of events; what the launcher is too slow for, it gets from the store."""
        news = [event for event in batch.events if event.counter > self._seen]
        if not news:
            return
        if self.stored_after is None or not self._feed.full:
            self.output(news)
        else:
            self._feed.leave_gap(self, news[0].counter - 1, news[-1].counter)

    def catch_up(self, shown: int, last: int) -> None:
        """Tells the output of stored events that the launcher has not seen.

        Args:
            shown: counter of the last event that it has.
            last: counter of the last event that is stored.
        """
        self._seen = shown  # which may be more than what was stored
        if last > shown:
            self._feed.leave_gap(self, shown, last)

    def forgotten(self) -> None:
        """Gives up what was to be read from the store; the launcher has seen nothing of what comes now."""
        self._seen = 0
        self._feed.forget_gaps(self)
        self._feed.tell({"type": "output", "job": self._job_id, "events": [], "last": 0})

    def output(self, events: list[Event]) -> None:
        """Shows the output of events."""
        self._feed.output(self.lines(events))

    def lines(self, events: list[Event]) -> Message | None:
        """The message that shows the output of events, where there is any."""
        lines = [(event.name, event.changed, plain_text(event.stdout)) for event in events if event.stdout]
        if not lines:
            return None
        return {"type": "output", "job": self._job_id, "events": lines, "last": events[-1].counter}

    def left_out(self, why: str) -> Message | None:
        """The message, once, that says that output is missing."""
        if self.told_left_out:
            return None
        self.told_left_out = True
        text = f"some of the playbook's output is not shown here: {why}"
        return {"type": "warning", "job": self._job_id, "text": plain_text(text)}


class LauncherFeed:
    """Writes messages, one JSON line each, to the launcher's pipe.

    Attributes:
        gone: the launcher no longer reads.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        """Starts to write to the launcher's pipe."""
        self.gone = asyncio.Event()
        self._writer = writer
        # What is written is in the pipe, and not in this process, which may end with the last message.
        writer.transport.set_write_buffer_limits(0)
        self._queue: deque[Message | Gap] = deque()
        self._size = 0  # of the output in the queue
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._write_all())

    def job(
        self, job_id: int, name: str, stored_after: StoredAfter | None = None, *, child: bool = False
    ) -> JobFeed:
        """Tells of a job, of which more will be heard.

        Args:
            job_id: its number.
            name: what it is called.
            stored_after: reads its events from the store.
            child: it is one of several that run at once for another one.
        """
        self.tell({"type": "job", "id": job_id, "name": plain_text(name), "child": child})
        return JobFeed(self, job_id, stored_after)

    def step(self, text: str, verbosity: int = 0, job_id: int | None = None) -> None:
        """Tells what happened; the launcher shows it from `verbosity` on."""
        self.tell({"type": "step", "job": job_id, "text": plain_text(text), "verbosity": verbosity})

    def warning(self, text: str, job_id: int | None = None) -> None:
        """Tells what went wrong and may go away."""
        self.tell({"type": "warning", "job": job_id, "text": plain_text(text)})

    def tell(self, message: Message) -> None:
        """Sends a message after all that were sent before."""
        self._add(message)

    # -- the output of jobs --

    @property
    def full(self) -> bool:
        """Whether as much output waits for the launcher as may."""
        return self._size > BUFFER_LIMIT

    def output(self, message: Message | None) -> None:
        """Sends a message with output."""
        if message is not None and not self.gone.is_set():
            self._size += _size(message)
            self.tell(message)

    def leave_gap(self, job: JobFeed, told: int, last: int) -> None:
        """Keeps in mind that events are to be read from the store when their turn comes."""
        for entry in reversed(self._queue):  # what several jobs leave at once is one gap for each of them
            if not isinstance(entry, Gap):
                break
            if entry.job is job and not entry.forgotten:
                entry.last = last
                return
        self._add(Gap(job, told, last))

    def forget_gaps(self, job: JobFeed) -> None:
        """Has the gaps of a job left out."""
        for entry in self._queue:
            if isinstance(entry, Gap) and entry.job is job:
                entry.forgotten = True

    # -- the launcher --

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
                self._size -= _size(entry)
            await self._write(entry)

    async def _write(self, message: Message | None) -> None:
        if message is not None:
            self._writer.write(json.dumps(message).encode("ascii") + b"\n")
            await self._writer.drain()

    async def _fill(self, gap: Gap) -> None:
        """Tells some of what was not kept; what is not stored yet will be in a moment, or never."""
        job = gap.job
        final, trouble = job.all_stored, ""
        events: list[Event] = []
        try:
            found = await job.stored_after(gap.told) if job.stored_after is not None else []
            events = [event for event in found if event.counter <= gap.last]
        except Exception as exc:  # whatever ails the store must not keep the result from the launcher
            trouble = str(exc) or repr(exc)
        if gap.forgotten:
            gap.told = gap.last
            await self._write(job.left_out("The pod that it came from was lost."))
        elif events:
            gap.told = events[-1].counter
            await self._write(job.lines(events))
        elif trouble or final:
            gap.told = gap.last
            await self._write(job.left_out(trouble or "It could not be stored."))
        else:
            await asyncio.sleep(STORE_PAUSE)


def _size(message: Message) -> int:
    return sum(len(text) for _name, _changed, text in message["events"])
