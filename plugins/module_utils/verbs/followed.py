# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of other processes, shown as the task that launched them would: from the store, as it fills."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ansible_collections.jobpods.controller.plugins.module_utils.job.result import FINAL
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import SLOW
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import JobFeed, LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore

if TYPE_CHECKING:
    from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord


class FollowedJob:
    """One job, as far as it was shown.

    Attributes:
        over: it has ended, and all was shown.
    """

    def __init__(self, opened: OpenStore, feed: LauncherFeed, told: JobFeed, record: JobRecord) -> None:
        """Begins with the first event.

        Args:
            opened: the store.
            feed: to the launcher.
            told: the job's part of it.
            record: the job as it is now.
        """
        self.over = False
        self._opened, self._feed, self._told = opened, feed, told
        self._id = record.id
        self._shown = 0
        self._lost = len(record.attempts)
        self._state = ("", "")

    async def look(self, record: JobRecord) -> None:
        """Shows what is new.

        Args:
            record: the job as it is now.
        """
        if len(record.attempts) > self._lost:
            self._lost = len(record.attempts)
            why = record.attempts[-1]["message"]
            again = "; the output starts again from its beginning" if self._shown else ""
            self._told.warning(f"attempt {self._lost} was lost ({why}); trying again in another pod{again}")
            self._shown, self._state = 0, ("", "")
        self._tell_state(record)
        while not self._feed.gone.is_set():
            events = await self._opened.events_after(self._id, self._shown)
            if not events:
                break
            now = await self._opened.calls(self._opened.store.get, self._id)
            if len(now.attempts) != self._lost:
                return  # these may be of another attempt, which counts from 1 again
            self._shown = events[-1].counter
            self._told.output(events)
            await self._feed.flush()
        self.over = record.status in FINAL

    def _tell_state(self, record: JobRecord) -> None:
        state = (record.status, record.job_explanation or _waits_for(record))
        if state == self._state or record.status in FINAL:
            return
        old, self._state = self._state, state
        if state == (old[0], ""):  # it waits for nothing any more
            return
        words = f"{record.status} in pod {record.pod_name}" if record.pod_name else record.status
        self._told.step(": ".join(filter(None, (words, state[1]))))


def _waits_for(record: JobRecord) -> str:
    """What the start of a job waits for, where that lasts; else empty."""
    phase = record.start[-1] if record.start else None
    if phase is None or phase["seconds"] is not None or time.time() - phase["at"] < SLOW:
        return ""
    return f"{phase['phase']}: {phase['detail']}" if phase["detail"] else str(phase["phase"])


class FollowedFamily:
    """A job, and all that run for it: its slices, or the jobs of its nodes, also of workflows in it."""

    def __init__(self, opened: OpenStore, feed: LauncherFeed, job_id: int) -> None:
        """Gets ready.

        Args:
            opened: the store.
            feed: to the launcher.
            job_id: the job's.
        """
        self._opened, self._feed, self._id = opened, feed, job_id
        self._jobs: dict[int, FollowedJob] = {}

    def tell(self, record: JobRecord, *, child: bool = False) -> JobFeed:
        """Tells of a job; what it shows comes after that."""
        told = self._feed.job(record.id, record.name, child=child)
        self._jobs[record.id] = FollowedJob(self._opened, self._feed, told, record)
        return told

    async def look(self) -> JobRecord:
        """Shows what is new of all of them.

        Returns:
            The job itself, as it was before that: where it has ended, all of it was shown.
        """
        first = await self._opened.calls(self._opened.store.get, self._id)
        todo = [first]
        while todo:
            record = todo.pop(0)
            if record.id not in self._jobs:
                self.tell(record, child=True)
            followed = self._jobs[record.id]
            if followed.over:
                continue
            await followed.look(record)
            if record.type == "workflow_job":
                todo += await self._opened.calls(self._opened.store.children, record.id)
        return first
