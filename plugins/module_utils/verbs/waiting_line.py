# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of one process that wait for a place look for it together: one look at the store is for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import Pending

Read = Callable[[Mapping[int, int]], Awaitable[Mapping[int, "Pending"]]]
"""Says which of these jobs (with their leases) still have to wait."""


class WaitingLine:
    """Looks for all that ask for it meanwhile."""

    def __init__(self, read: Read) -> None:
        """Nobody waits yet.

        Args:
            read: looks at the store.
        """
        self._read = read
        self._asking: dict[int, int] = {}
        self._looking: asyncio.Task[Mapping[int, Pending]] | None = None

    async def look(self, job_id: int, lease: int, interval: float) -> Pending | None:
        """How it stands with a job, at the next look; None where it need not wait any more.

        Args:
            job_id: the job.
            lease: its owner's.
            interval: seconds from the first one that asks to the look.
        """
        self._asking[job_id] = lease
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(interval))
        try:
            return (await asyncio.shield(self._looking)).get(job_id)
        except asyncio.CancelledError:
            self._leave(job_id)
            raise

    async def _look(self, interval: float) -> Mapping[int, Pending]:
        await asyncio.sleep(interval)
        asking, self._asking, self._looking = self._asking, {}, None
        return await self._read(asking)

    def _leave(self, job_id: int) -> None:
        self._asking.pop(job_id, None)
        if self._looking is not None and not self._asking:
            self._looking.cancel()
            self._looking = None
