# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of a request, opened, with the one thread that calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Event, stored_event
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import orphans, start_adopter
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

OUTPUT_EVENTS = 500
"""Events that are read from the store at once to show them."""
OUTPUT_SIZE = 1 << 20
"""Characters of their output that are enough at once; a single event may have more."""


class OpenStore:
    """The store and the one thread that calls it."""

    def __init__(self, store: JobStore, calls: StoreCalls, options: StoreOptions) -> None:
        self.store = store
        self.calls = calls
        self.options = options

    async def see_to_orphans(self, request: Request) -> None:
        """Has a process of its own see to jobs and pods that are left without one; not in check mode."""
        if request.check:
            return
        found = await self.calls(orphans, self.store)
        if found.jobs or found.pods:
            with suppress(OSError):  # of a machine that can't start another process: the next verb may
                start_adopter(request)

    async def events_after(self, job_id: int, counter: int) -> list[Event]:
        """The next events after a counter: up to `OUTPUT_EVENTS`, or a few with much output."""
        return await self.calls(self._read_events, job_id, counter)

    def _read_events(self, job_id: int, counter: int) -> list[Event]:
        found: list[Event] = []
        size = 0
        for line in self.store.event_lines(job_id, counter):
            found.append(stored_event(line))
            size += len(found[-1].stdout)
            if len(found) >= OUTPUT_EVENTS or size >= OUTPUT_SIZE:
                break
        return found


@asynccontextmanager
async def open_store(
    request: Request, feed: LauncherFeed, *, adopts: bool = True
) -> AsyncIterator[OpenStore]:
    """The store that the request names.

    Args:
        request: names it.
        feed: warned of what the user should know about it.
        adopts: where jobs in it are left without a process, have one see to them.

    Raises:
        Failure: `InvalidConfiguration`, where it can't be opened.
    """
    options = store_options(request.params, request.environ, request.home)
    calls = StoreCalls()
    try:
        store = await calls(JobStore.open, options)
        opened = OpenStore(store, calls, options)
        try:
            for warning in store.warnings:
                feed.warning(warning)
            if adopts:
                await opened.see_to_orphans(request)
            yield opened
        finally:
            await calls(store.close)
    finally:
        calls.close()
