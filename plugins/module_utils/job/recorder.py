# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a job's events to the store: in batches, in order, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import EventBatch, JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch

MAX_BATCH = 4 << 20
"""Bytes of events in one transaction; a bigger event gets one of its own."""
SILENT = 64 << 10
"""Bytes of output without an event, such as signs of life, after which the store learns how far it is."""
GATHER = 0.05
"""Seconds to wait for more events before a transaction, so that a slow trickle costs few of them."""

T = TypeVar("T")


class StoreCalls:
    """Runs store calls one by one in a thread of their own: SQLite waits for locks, the loop must not."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "store")

    async def __call__(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Calls the function in the thread; returns or raises what it does."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: function(*args, **kwargs)
        )

    def close(self) -> None:
        """Waits for the last call."""
        self._thread.shutdown()


class Recorder:
    """Stores the events of one job.

    Attributes:
        stored_events: counter of the last event that is stored.
    """

    def __init__(
        self,
        store: JobStore,
        write: Callable[..., Awaitable[None]],
        job_id: int,
        lease: int,
        reached: Callable[[int], Awaitable[None]],
        stored_events: int = 0,
        columns: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """Gets ready.

        Args:
            store: where to.
            write: has the store write something, again for a while where it refuses.
            job_id: whose events.
            lease: fencing number of the job's owner.
            reached: told the offset of the worker's output below which all is stored.
            stored_events: counter of the last event that is stored already.
            columns: others of the job's row that are to be stored together with events.
        """
        self.stored_events = stored_events
        self._offset = 0  # that the store knows
        self._store, self._insist = store, write
        self._job_id, self._lease = job_id, lease
        self._reached = reached
        self._columns = columns
        self._pending: list[Batch] = []
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._write_all())

    async def start_anew(self, forget: Callable[[], Awaitable[None]]) -> None:
        """Stores what was added, has it forgotten, and counts from the beginning again.

        Args:
            forget: has the store forget the job's events.

        Raises:
            LeaseLost: another controller owns the job now.
            Failure: the store can't be written.
        """
        await self.flush()
        await forget()
        self.stored_events = self._offset = 0

    def add(self, batch: Batch) -> None:
        """Takes a batch; `flush` waits until it is stored."""
        self._pending.append(batch)
        self._idle.clear()
        self._more.set()

    async def flush(self) -> None:
        """Waits until everything that was added is stored.

        Raises:
            LeaseLost: another controller owns the job now.
            Failure: the store can't be written.
        """
        waiter = asyncio.create_task(self._idle.wait())
        try:
            await asyncio.wait((waiter, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        if self._task.done():
            self._task.result()

    @property
    def broken(self) -> asyncio.Task[None]:
        """Ends only when storing failed."""
        return self._task

    async def close(self) -> None:
        """Stops; what is not stored yet is dropped."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _write_all(self) -> None:
        while True:
            await self._more.wait()
            await asyncio.sleep(GATHER)
            while self._pending:
                taken, size = 0, 0
                while taken < len(self._pending) and (
                    not taken or size + len(self._pending[taken].lines) <= MAX_BATCH
                ):
                    size += len(self._pending[taken].lines)
                    taken += 1
                batches, self._pending = self._pending[:taken], self._pending[taken:]
                await self._write(batches)
            self._more.clear()
            self._idle.set()

    async def _write(self, batches: list[Batch]) -> None:
        offset = batches[-1].offset
        events = [event for batch in batches for event in batch.events]
        if events:
            joined = EventBatch(
                first_counter=events[0].counter,
                last_counter=events[-1].counter,
                lines=b"".join(batch.lines for batch in batches),
                stored_offset=offset,
                columns=self._columns(),
            )
            await self._insist(self._store.add_events, self._job_id, self._lease, joined)
            self.stored_events = events[-1].counter
        elif offset - self._offset >= SILENT:
            await self._insist(self._store.update, self._job_id, self._lease, stored_offset=offset)
        else:
            return  # the pod keeps it, for whoever takes the job over and starts at what is stored
        self._offset = offset
        await self._reached(offset)
