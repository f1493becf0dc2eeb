# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner of a job needs to know of that which the job does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Summary
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import KeptPod
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Outcome


class OwnedRun(Protocol):
    """What a job does, once it may; a run in a pod or on the controller node, or an update."""

    @property
    def pod_name(self) -> str:
        """Of its pod; empty where it has none."""

    @property
    def pod_uid(self) -> str | None:
        """Of its pod, once it is known."""

    @property
    def summary(self) -> Summary:
        """What its events added up to so far."""

    def cancel(self, failure: Failure) -> None:
        """Stops it as gently as its state allows; `execute` ends with `failure`."""

    async def execute(self) -> Outcome:
        """Does it to its end."""

    async def stored(self, offset: int) -> None:
        """Tells that its output below `offset` is in the store."""

    async def bye(self) -> None:
        """Tells that everything is stored."""

    async def keep(self, outcome: Outcome) -> KeptPod | None:
        """Has its pod stay, where that is wanted and nothing of the run goes on in it; else None."""

    def removal(self, outcome: Outcome) -> Coroutine[Any, Any, bool] | None:
        """Deletes its pod, and says whether it is gone; None where there is none.

        Of a pod that is kept, only its image pull secret is deleted.
        """

    async def close(self) -> None:
        """Leaves it, in whatever state it is."""


class PodlessRun:
    """What is alike in runs of the job process itself, which have no pod.

    Attributes:
        pod_name: empty: there is none.
        pod_uid: None.
        summary: what it added up to so far.
    """

    def __init__(self, notebook: Notebook, progress: Progress) -> None:
        self.pod_name = ""
        self.pod_uid: str | None = None
        self.summary = Summary()
        self._notebook = notebook
        self._progress = progress
        self._cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()

    def cancel(self, failure: Failure) -> None:
        """Stops it; `execute` ends with `failure`."""
        if not self._cancel.done():
            self._progress.step(f"canceling: {failure.message}")
            self._cancel.set_result(failure)

    async def stored(self, offset: int) -> None:
        """Nobody waits for that."""

    async def bye(self) -> None:
        """Nobody waits for that."""

    async def keep(self, outcome: Outcome) -> KeptPod | None:
        """There is no pod."""
        return None

    def removal(self, outcome: Outcome) -> Coroutine[Any, Any, bool] | None:
        """There is no pod."""
        return None

    async def close(self) -> None:
        """Nothing is left open."""


Start = Callable[[AsyncExitStack, Notebook, Progress], Awaitable[OwnedRun]]
"""Makes a run; what it needs open is left to the stack."""
