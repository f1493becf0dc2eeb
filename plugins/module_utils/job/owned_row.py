# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's row as its owner writes it: under its lease, and again for a while where the store refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import FINAL, LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls

STORE_LIMIT = 60.0
"""Seconds for which a store that refuses the job's events, or its end, is asked again."""
STORE_BACKOFF = (0.5, 1.0, 2.0, 5.0)
OWNED_FOR = 20.0
"""Seconds for which nobody can have taken a job over since its owner has heard that it is its own: others
wait for half a minute of silence, of which `HEARTBEAT_AGE` may be over already."""


class OwnedRow:
    """The row of one job."""

    def __init__(
        self, job_id: int, lease: int, store: JobStore, calls: StoreCalls, progress: Progress
    ) -> None:
        """Gets ready.

        Args:
            job_id: whose.
            lease: the fencing number of its owner, who has just got it.
            store: where it is.
            calls: the store's thread.
            progress: told that the store refuses.
        """
        self._job_id, self._lease = job_id, lease
        self._store = store
        self._calls = calls
        self._progress = progress
        self._heard = time.monotonic()

    @property
    def certain_for(self) -> float:
        """Seconds for which nobody else can own the job yet, whether the store answers meanwhile or not."""
        return max(0.0, self._heard + OWNED_FOR - time.monotonic())

    async def look(self) -> bool:
        """Says that the owner lives; returns whether somebody wants the job cancelled.

        Raises:
            LeaseLost: the job has another owner, or has ended.
            Failure: the store can't be reached.
        """
        asked = time.monotonic()
        canceled = await self._calls(self._store.heartbeat, self._job_id, self._lease)
        self._heard = asked
        return canceled

    async def is_final(self) -> bool:
        """Whether it has its final status, and from this owner."""
        return await self._calls(self._has_ended)

    async def set(self, **columns: Any) -> None:
        """Sets columns; fails as `insist` does."""
        await self.insist("the job's state", self._store.update, self._job_id, self._lease, **columns)

    async def finish(self, **columns: Any) -> None:
        """Gives it its final status; fails as `insist` does."""
        await self.insist("the job's end", self._finish, **columns)

    async def pod_removed(self) -> None:
        """Notes that the pod is gone; fails as `insist` does."""
        await self.insist("that the pod is gone", self._store.pod_removed, self._job_id)

    async def insist(self, what: str, function: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Writes to the store, again for a while where it refuses.

        Args:
            what: is written, for people.
            function: of the store, which may be called again.
            args: its arguments.
            kwargs: likewise.

        Raises:
            LeaseLost: the job has another owner, or has ended.
            Failure: the store refuses for longer than `STORE_LIMIT`.
        """
        deadline = time.monotonic() + STORE_LIMIT
        tries = 0
        while True:
            try:
                await self._calls(function, *args, **kwargs)
                return
            except Failure as failure:
                if time.monotonic() >= deadline:
                    failure.message += f" This lasted longer than {STORE_LIMIT:.0f} s."
                    raise
                if not tries:
                    limit = f"{STORE_LIMIT:.0f} s"
                    self._progress.warning(
                        f"{what} can't be stored now, which is tried for {limit}: {failure.message}"
                    )
            await asyncio.sleep(STORE_BACKOFF[min(tries, len(STORE_BACKOFF) - 1)])
            tries += 1

    # -- in the store's thread --

    def _finish(self, **columns: Any) -> None:
        try:
            self._store.finish(self._job_id, self._lease, **columns)
        except LeaseLost:
            if not self._has_ended():  # else an earlier try was stored, but the answer to it never came
                raise

    def _has_ended(self) -> bool:
        record = self._store.get(self._job_id)
        return record.lease == self._lease and record.status in FINAL
