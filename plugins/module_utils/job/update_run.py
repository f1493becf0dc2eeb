# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an update job does, on the controller node: some work that prints lines, and no playbook."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import (
    OwnedRun,
    PodlessRun,
    Start,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Outcome

Work = Callable[[Callable[[str], None], Progress], Awaitable[bool]]
"""Does the work, and says whether it changed anything; it is given where to print lines, and whom to tell of
its progress, and is cancelled where the job is."""


def update_on_controller(work: Work, node: str) -> Start:
    """Starts an update.

    Args:
        work: what it does.
        node: the controller's host name.
    """

    async def start(_stack: AsyncExitStack, notebook: Notebook, progress: Progress) -> OwnedRun:
        return UpdateRun(work, node, notebook, progress)

    return start


class UpdateRun(PodlessRun):
    """Does the work of an update once. Its lines become events, as those of a playbook are."""

    def __init__(self, work: Work, node: str, notebook: Notebook, progress: Progress) -> None:
        super().__init__(notebook, progress)
        self._work = work
        self._node = node

    async def execute(self) -> Outcome:
        """Does the work.

        Returns:
            How it ended; a `Failure` is an outcome, not raised.
        """
        self._notebook.begun()
        await self._notebook.note(status="running", execution_node=self._node)
        if self._cancel.done():
            return Outcome(self._cancel.result(), self.summary)
        working = asyncio.ensure_future(self._work(self._line, self._progress))
        try:
            await asyncio.wait((working, self._cancel), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return Outcome(self._cancel.result(), self.summary)
            self.summary.changed = working.result()
            self.summary.stats = True
            return Outcome(None, self.summary)
        except Failure as failure:
            return Outcome(failure, self.summary)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def _line(self, text: str) -> None:
        counter = self.summary.events + 1
        fields = {
            "uuid": uuid.uuid4().hex,
            "counter": counter,
            "event": "verbose",
            "stdout": text,
            "event_data": {},
        }
        event = self.summary.add(fields)
        batch = Batch([event], bytearray(json.dumps(fields).encode("ascii") + b"\n"), counter)
        self._progress.events(batch)
        self._notebook.record(batch)
