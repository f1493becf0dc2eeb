# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owns one job from its lease to its final status: heartbeat, cancel, run, record, and the pod's end."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch, Summary
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import Recorder, StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.job.removal import refused, remove_pod
from ansible_collections.jobpods.controller.plugins.module_utils.job.run import Outcome, Run, RunRequest

HEARTBEAT_INTERVAL = 0.5
"""Seconds between two looks at the job's row: whether it shall be cancelled, and that its owner lives."""
REMOVAL_LIMIT = 24 * 3600.0
"""Seconds for which a pod that can't be deleted is tried again, long after the job's end."""
QUICK_REMOVAL = 5.0
"""Seconds of these for which the result waits; after them the pod is deleted behind the job's back."""


@dataclass
class Removal:
    """What is known of the pod's deletion: it is the job's last duty, and may outlast its result."""

    grace: int
    task: asyncio.Task[bool]


class JobOwner:
    """Runs one job and keeps its row true. It is the run's notebook."""

    def __init__(
        self,
        request: RunRequest,
        connection: Connection,
        store: JobStore,
        calls: StoreCalls,
        progress: Progress,
    ) -> None:
        self._request = request
        self._connection = connection
        self._store = store
        self._calls = calls
        self._progress = progress
        self._job_id = request.identity.job_id
        self._recorder = Recorder(store, calls, self._job_id, request.lease, self._events_stored)
        self._run: Run | None = None
        self._canceled: Failure | None = None

    def cancel(self, why: str) -> None:
        """Cancels the job, whatever it is doing."""
        self._canceled = self._canceled or Failure("Canceled", why)
        if self._run is not None:
            self._run.cancel(self._canceled)

    async def own(self, environ: dict[str, str], finished: asyncio.Event) -> None:
        """Runs the job to its end.

        Args:
            environ: for the connection's proxies and credential plugins.
            finished: set when the row has its final status, which is the answer to whoever waits; the pod may
                still have to be deleted.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._recorder.close)
            try:
                client = await stack.enter_async_context(
                    ClusterClient(self._connection, environ=environ, warn=self._warn_of_spec)
                )
            except Failure as failure:  # the connection can't be used at all, for example its proxy
                await self._finish(Outcome(failure, Summary()), pod_gone=True)
                finished.set()
                return
            run = self._run = Run(self._request, client, self, self._progress)
            stack.push_async_callback(run.close)
            heart = asyncio.create_task(self._beat())
            stack.callback(heart.cancel)
            self._recorder.broken.add_done_callback(lambda task: self._storing_failed(run, task))
            if self._canceled is not None:
                run.cancel(self._canceled)
            outcome = await self._execute(run)
            removal = await self._settle(run, client, outcome)
            finished.set()
            if removal is not None and not removal.task.done():
                await self._finish_removal(removal)

    async def _execute(self, run: Run) -> Outcome:
        try:
            return await run.execute()
        except Exception:  # the outer edge of a job: its row must get a final status whatever happens here
            words = traceback.format_exc()
            failure = Failure("ControllerLost", "The job process met an error of its own.", traceback=words)
            return Outcome(failure, run.summary, None, True)

    # -- the end --

    async def _settle(self, run: Run, client: ClusterClient, outcome: Outcome) -> Removal | None:
        if outcome.ended is not None:
            outcome = await self._store_rest(outcome)
        removal = self._start_removal(run, client, outcome)
        if outcome.ended is not None and run.conversation is not None:
            await run.conversation.bye()
        if removal is not None:
            await asyncio.wait((removal.task,), timeout=QUICK_REMOVAL)
        await run.close()
        gone = removal is None or (removal.task.done() and self._removed(removal, run.pod_name))
        await self._finish(outcome, gone)
        return None if gone else removal

    async def _store_rest(self, outcome: Outcome) -> Outcome:
        try:
            await self._recorder.flush()
        except Failure as failure:
            outcome.failure = failure
        return outcome

    def _start_removal(self, run: Run, client: ClusterClient, outcome: Outcome) -> Removal | None:
        if not run.created:
            return None
        stopped = outcome.ended is not None and not outcome.ended.left
        grace = 0 if stopped or not outcome.worker_started else int(self._request.launch.cancel_grace)
        removing = remove_pod(
            client,
            self._request.launch.namespace,
            run.pod_name,
            run.pod_uid,
            grace=grace,
            limit=REMOVAL_LIMIT,
            trouble=self._progress.warning,
        )
        return Removal(grace, asyncio.create_task(removing))

    def _removed(self, removal: Removal, pod_name: str) -> bool:
        error = removal.task.exception()
        if error is not None:
            failure = error if isinstance(error, Failure) else Failure("ControllerLost", repr(error))
            self._progress.warning(refused(failure, pod_name))
            return False
        return removal.task.result()

    async def _finish_removal(self, removal: Removal) -> None:
        """Goes on deleting after the result was given."""
        await asyncio.wait((removal.task,))
        if removal.task.exception() is None and removal.task.result():
            await self._calls(self._store.pod_removed, self._job_id)

    async def _finish(self, outcome: Outcome, pod_gone: bool) -> None:
        failure, summary, ended = outcome.failure, outcome.summary, outcome.ended
        columns: dict[str, Any] = {
            "status": failure.status if failure is not None else "successful",
            "failure": failure.as_result() if failure is not None else None,
            "job_explanation": failure.message if failure is not None else "",
            "result_traceback": failure.traceback if failure is not None else "",
            "host_status_counts": summary.hosts,
            "event_count": summary.events,
            "changed": _changed(outcome),
            "artifacts": summary.artifacts,
            "pod_deleted": pod_gone,
        }
        if ended is not None:
            columns["facts"] = {"memory_peak": ended.memory_peak, "cpu_seconds": ended.cpu_seconds}
        await self._calls(self._store.finish, self._job_id, self._request.lease, **columns)

    # -- while it runs --

    async def _beat(self) -> None:
        told = False
        while True:
            try:
                if await self._calls(self._store.heartbeat, self._job_id, self._request.lease):
                    self.cancel("Canceled by job_cancel.")
                told = False
            except LeaseLost:
                return  # it has ended; or it is another controller's, and storing ends the run here
            except Failure as failure:
                if not told:
                    self._progress.warning(f"job_cancel can't reach this job now: {failure.message}")
                told = True
            await asyncio.sleep(HEARTBEAT_INTERVAL)

    def _storing_failed(self, run: Run, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Failure):
            run.cancel(error)
        elif error is not None:
            run.cancel(Failure("ControllerLost", f"The job's events can't be stored: {error}"))

    async def _events_stored(self, offset: int) -> None:
        if self._run is not None:
            await self._run.stored(offset)

    def _warn_of_spec(self, text: str) -> None:
        self._progress.warning(f"the API server says of the pod: {text}")

    # -- the run's notebook --

    async def note(self, **columns: Any) -> None:
        """Sets columns of the job's row."""
        await self._calls(self._store.update, self._job_id, self._request.lease, **columns)

    def record(self, batch: Batch) -> None:
        """Gives events to the recorder."""
        self._recorder.add(batch)


def _changed(outcome: Outcome) -> bool | None:
    """Whether the playbook changed anything; None where that can't be known."""
    summary = outcome.summary
    if summary.stats:
        return summary.changed
    # With the supervisor's report all of the output is there, and no play can have been overlooked.
    none_ran = outcome.ended is not None and not summary.play_started
    return False if none_ran or not outcome.worker_started else None
