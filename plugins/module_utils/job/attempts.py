# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a job in a pod, and again in another one where that is lost and nothing can happen twice by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_clients import SharedClients
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Summary
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import KeptPod
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import OwnedRun, Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.run import Run
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Outcome, RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.job.warm_pool import WarmPool, pool_of

ATTEMPTS = 4
"""Pods that a job may be tried in: the first, and three more."""
PAUSES = (1.0, 3.0, 10.0)
"""Seconds before each further attempt: what has taken the pod away may go on for a moment."""
LOSSES = frozenset(("Evicted", "NodeLost", "PodDeleted", "Preempted"))
"""Reasons for which a pod goes that has done nothing wrong."""
WARM_LOSSES = frozenset(("ContainerTerminated", "OOMKilled"))
"""What may have happened to a pod, too, while it waited for its job."""
REJECTED = "Unschedulable"
"""The reason of a pod that its node does not take; one that no node takes waits until its time is over."""
REPEAT_HINT = "A playbook that may run twice is started again by itself with retry_on_node_loss."


def in_pod(
    request: RunRequest, connection: Connection, environ: Mapping[str, str], clients: SharedClients
) -> Start:
    """Starts a run in a pod.

    Args:
        request: what to run.
        connection: to the cluster.
        environ: for the connection's proxies and credential plugins.
        clients: of this process.
    """

    async def start(stack: AsyncExitStack, notebook: Notebook, progress: Progress) -> OwnedRun:
        client = await stack.enter_async_context(clients.client(connection, environ))
        pool = pool_of(request, client, progress)
        if pool is not None:
            stack.push_async_callback(pool.close)
        return Attempts(request, client, notebook, progress, pool)

    return start


class Attempts:
    """Runs a job in one pod after the other, until one is not lost or there were enough of them."""

    def __init__(
        self,
        request: RunRequest,
        client: ClusterClient,
        notebook: Notebook,
        progress: Progress,
        pool: WarmPool | None = None,
    ) -> None:
        self._request = request
        self._client = client
        self._notebook = notebook
        self._progress = progress
        first = pool if request.identity.attempt == 1 else None  # what has lost one pod gets a new one
        self._run = Run(request, client, notebook, progress, pool=first)
        self._cancel: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()

    @property
    def pod_name(self) -> str:
        """Of the pod that the job is in now, or will be."""
        return self._run.pod_name

    @property
    def pod_uid(self) -> str | None:
        """Of that pod, once it is known."""
        return self._run.pod_uid

    @property
    def summary(self) -> Summary:
        """What the events of this attempt added up to so far."""
        return self._run.summary

    def cancel(self, failure: Failure) -> None:
        """Stops the run as gently as its state allows; there is no further attempt."""
        if not self._cancel.done():
            self._cancel.set_result(failure)
        self._run.cancel(failure)

    async def stored(self, offset: int) -> None:
        """Tells that this attempt's output below `offset` is in the store."""
        await self._run.stored(offset)

    async def bye(self) -> None:
        """Tells that everything is stored: the supervisor ends."""
        await self._run.bye()

    async def keep(self, outcome: Outcome) -> KeptPod | None:
        """Has the last pod stay for people to look into it, where that is wanted and possible."""
        return await self._run.keep(outcome)

    def removal(self, outcome: Outcome) -> Coroutine[Any, Any, bool] | None:
        """Deletes the last pod, and says whether it is gone; None where there is none."""
        return self._run.removal(outcome)

    async def close(self) -> None:
        """Leaves the supervisor, whatever runs there."""
        await self._run.close()

    async def execute(self) -> Outcome:
        """Runs the job; the last pod is left for the caller to delete.

        Returns:
            How the last attempt ended.
        """
        while True:
            outcome = await self._run.execute()
            failure = outcome.failure
            if failure is None or not await self._is_repeated(failure, outcome):
                return outcome
            # Before anything is deleted: a job that another owner has taken over is left alone.
            await self._notebook.note(job_explanation=f"Attempt {self._attempt} was lost: {failure.message}")
            if not await self._is_removed(failure, outcome):
                outcome.failure = self._cancel.result() if self._cancel.done() else failure
                return outcome
            await self._begin_next(failure, outcome.worker_started)
            await asyncio.wait((self._cancel,), timeout=_pause_before(self._attempt))

    # -- from one attempt to the next --

    @property
    def _attempt(self) -> int:
        return self._request.identity.attempt

    async def _is_repeated(self, failure: Failure, outcome: Outcome) -> bool:
        """Whether another pod may be tried; where not, the failure says why, unless it is clear anyway."""
        of_warm = self._run.warm and failure.reason in WARM_LOSSES
        if failure.reason not in (*LOSSES, REJECTED) and not of_warm:
            return False
        again = self._request.launch.retry_on_node_loss
        if not outcome.worker_started:
            await self._run.close()  # until then the payload may be on its way, and the start after it
            outcome.worker_started = self._run.may_have_run(outcome.ended)
        if outcome.worker_started and of_warm:
            return False
        if outcome.worker_started and not again:
            failure.hint = f"{failure.hint} {REPEAT_HINT}"
            return False
        if self._attempt >= ATTEMPTS:
            failure.message += f" This was attempt {self._attempt} of {ATTEMPTS}."
            return False
        patience = self._request.launch.group.pod_pending_timeout
        waited = time.monotonic() - self._run.since
        if outcome.worker_started or waited + _pause_before(self._attempt + 1) < patience:
            return True
        if failure.reason != REJECTED:
            failure.message += f" pod_pending_timeout ({patience} s) leaves no time for another attempt."
        return False

    async def _is_removed(self, failure: Failure, outcome: Outcome) -> bool:
        """Deletes the lost pod; False where that is refused or takes too long, or the job is cancelled.

        Whoever deletes the last pod then does it again, and tells what is in the way.
        """
        await self._run.close()
        removal = self._run.removal(outcome)
        if removal is None:
            return not self._cancel.done()
        removing = asyncio.create_task(removal)
        patience = self._request.launch.group.cluster_outage_timeout
        news = (removing, self._cancel)
        try:
            await asyncio.wait(news, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if removing.done():
                return not self._cancel.done() and removing.result()
            if not self._cancel.done():
                failure.message += (
                    f" There is no further attempt: the lost pod was not gone within cluster_outage_timeout"
                    f" ({patience} s); a finalizer may keep it, or the API server be away."
                )
            return False
        except Failure:
            return False
        finally:
            removing.cancel()
            await asyncio.gather(removing, return_exceptions=True)

    async def _begin_next(self, failure: Failure, started: bool) -> None:
        """Has the store forget what came from the lost pod, and gets ready for another one."""
        lost, number = self._run, self._attempt
        when = "after its playbook may have begun" if started else "before its playbook was started"
        words = f"attempt {number} was lost {when} ({failure.reason}: {failure.message})"
        following = f"trying again in another pod, attempt {number + 1} of {ATTEMPTS}"
        shown = "; the output starts again from its beginning" if lost.summary.events else ""
        self._progress.forgotten()  # first: else who goes on from in between would take it for what comes now
        await self._notebook.next_attempt(
            {
                "attempt": number,
                "pod_name": lost.pod_name,
                "execution_node": lost.execution_node,
                "reason": failure.reason,
                "message": failure.message,
            },
            started=started,
        )
        self._progress.warning(f"{words}; {following}{shown}")
        request = self._request
        self._request = replace(
            request,
            identity=replace(request.identity, attempt=number + 1),
            repeated=request.repeated or started,
            taken=None,
        )
        # The time of a start that came to something is over: what comes now is another one.
        since = 0.0 if started else lost.since
        self._run = Run(self._request, self._client, self._notebook, self._progress, since)
        if self._cancel.done():
            self._run.cancel(self._cancel.result())


def _pause_before(attempt: int) -> float:
    """Seconds before an attempt that is not the first."""
    return PAUSES[min(attempt - 2, len(PAUSES) - 1)]
