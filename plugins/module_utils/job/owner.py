# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owns one job from its lease to its final status: heartbeat, cancel, run, record, and the pod's end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
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
FLUSH_LIMIT = 60.0
"""Seconds for which the last events may take to be stored."""
STORE_LIMIT = 60.0
"""Seconds for which a store that refuses the job's end is asked again."""
STORE_BACKOFF = (0.5, 1.0, 2.0, 5.0)
REMOVAL_LIMIT = 24 * 3600.0
"""Seconds for which a pod that can't be deleted is tried again, long after the job's end."""
QUICK_REMOVAL = 5.0
"""Seconds of these for which the result waits; after them the pod is deleted behind the job's back."""


@dataclass
class Removal:
    """The pod's deletion: it is the job's last duty, and may outlast its result.

    Attributes:
        pod_name: whose.
        task: which deletes it.
        failed: the deletion was refused, which was told.
    """

    pod_name: str
    task: asyncio.Task[bool]
    failed: bool = False


class JobOwner:
    """Runs one job and keeps its row true. It is the run's notebook.

    Attributes:
        unfinished: why the row could not get its final status, once the job has ended; None where it has it.
    """

    def __init__(
        self,
        request: RunRequest,
        connection: Connection,
        store: JobStore,
        calls: StoreCalls,
        progress: Progress,
    ) -> None:
        self.unfinished: Failure | None = None
        self._request = request
        self._connection = connection
        self._store = store
        self._calls = calls
        self._progress = progress
        self._job_id = request.identity.job_id
        self._recorder = Recorder(store, calls, self._job_id, request.lease, self._events_stored)
        self._run: Run | None = None
        self._canceled: Failure | None = None
        self._leaving: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def cancel(self, why: str) -> None:
        """Cancels the job, whatever it is doing."""
        self._canceled = self._canceled or Failure("Canceled", why)
        if self._run is not None:
            self._run.cancel(self._canceled)

    def leave(self) -> None:
        """Leaves the job as it is, for whoever adopts it; one that has ended still gets its final status."""
        if not self._leaving.done():
            self._leaving.set_result(None)

    async def own(self, environ: dict[str, str], finished: asyncio.Event) -> None:
        """Runs the job to its end.

        Args:
            environ: for the connection's proxies and credential plugins.
            finished: set when the row has its final status, or can't get it; this is the answer to whoever
                waits, while the pod may still have to be deleted.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._recorder.close)
            try:
                client = await stack.enter_async_context(ClusterClient(self._connection, environ=environ))
            except Exception as exc:  # the connection can't be used at all, for example its proxy
                await self._finish(Outcome(Failure.of(exc), Summary()), None)
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
            if outcome is None:
                return
            removal = await self._settle(run, client, outcome)
            heart.cancel()
            finished.set()
            if removal is not None:
                await self._finish_removal(removal)

    async def _execute(self, run: Run) -> Outcome | None:
        """How the run ended; None where it is left before its end."""
        executing = asyncio.create_task(run.execute())
        try:
            await asyncio.wait((executing, self._leaving), return_when=asyncio.FIRST_COMPLETED)
            return executing.result() if executing.done() else None
        except Exception as exc:  # the outer edge of a job: its row must get a final status whatever happens
            return Outcome(Failure.of(exc), run.summary, None, True)
        finally:
            executing.cancel()
            await asyncio.gather(executing, return_exceptions=True)

    # -- the end --

    async def _settle(self, run: Run, client: ClusterClient, outcome: Outcome) -> Removal | None:
        """Stores what is left, and has the pod deleted: whatever goes wrong, both are tried.

        Returns:
            The pod's deletion, where that is not done yet.
        """
        removal: Removal | None = None
        if outcome.ended is None:  # the run may go on in there; else the pod keeps what is not stored yet
            removal = self._start_removal(run, client, outcome)
        await self._store_rest(outcome)
        removal = removal or self._start_removal(run, client, outcome)
        try:
            if outcome.ended is not None and run.conversation is not None:
                await run.conversation.bye()
            if removal is not None and run.pod_uid is not None:
                await asyncio.wait((removal.task,), timeout=QUICK_REMOVAL)
            await run.close()
        except Exception as exc:
            self._progress.warning(f"the pod could not be taken leave of: {exc!r}")
        if removal is not None and removal.task.done() and self._removed(removal):
            removal = None
        await self._finish(outcome, removal)
        return removal

    async def _store_rest(self, outcome: Outcome) -> None:
        """Stores the events that wait; that this fails makes a failure of a success."""
        try:
            await within(FLUSH_LIMIT, self._recorder.flush())
        except asyncio.TimeoutError:
            words = f"The job's last events could not be stored within {FLUSH_LIMIT:.0f} s."
            failure = Failure("InvalidConfiguration", words)
        except Exception as exc:
            failure = Failure.of(exc)
        else:
            return
        if outcome.failure is None:
            outcome.failure = failure
        elif outcome.failure.message != failure.message:
            self._progress.warning(f"the job's last events are not stored: {failure.message}")

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
        return Removal(run.pod_name, asyncio.create_task(removing))

    def _removed(self, removal: Removal) -> bool:
        """Whether a deletion that is over has succeeded; tells it, once, where not."""
        error = removal.task.exception()
        if error is None:
            return removal.task.result()
        if not removal.failed:
            removal.failed = True
            self._progress.warning(refused(Failure.of(error), removal.pod_name))
        return False

    async def _finish_removal(self, removal: Removal) -> None:
        """Goes on deleting after the result was given."""
        await asyncio.wait((removal.task, self._leaving), return_when=asyncio.FIRST_COMPLETED)
        if not removal.task.done():
            removal.task.cancel()
            await asyncio.gather(removal.task, return_exceptions=True)
        elif self._removed(removal):
            try:
                await self._insist("that the pod is gone", self._store.pod_removed, self._job_id)
            except Exception as exc:  # the result was given: this is no news for it
                self._progress.warning(f"it is not stored that the pod is gone: {Failure.of(exc).message}")

    async def _finish(self, outcome: Outcome, removal: Removal | None) -> None:
        """Gives the row its final status.

        Args:
            outcome: how the run ended.
            removal: the pod's deletion, where that is not done.
        """
        failure, summary, ended = outcome.failure, outcome.summary, outcome.ended
        columns: dict[str, Any] = {
            "status": failure.status if failure is not None else "successful",
            "failure": failure.as_result() if failure is not None else None,
            "job_explanation": failure.message if failure is not None else "",
            "result_traceback": failure.traceback if failure is not None else "",
            "host_status_counts": summary.hosts,
            "event_count": self._recorder.stored_events,
            "changed": summary.changed if summary.stats else (None if outcome.worker_started else False),
            "artifacts": summary.artifacts,
            "pod_deleted": removal is None,
        }
        if ended is not None:
            columns["facts"] = {"memory_peak": ended.memory_peak, "cpu_seconds": ended.cpu_seconds}
        if removal is not None:
            columns["pod_name"] = removal.pod_name  # new where the answer to its create never came
        try:
            await self._insist(
                "the job's end", self._store.finish, self._job_id, self._request.lease, **columns
            )
        except Exception as exc:
            cause = Failure.of(exc)
            self.unfinished = Failure(
                cause.reason,
                f"The job ended ({columns['status']}), but this could not be stored: {cause.message}",
                traceback="\n".join(filter(None, (columns["job_explanation"], cause.traceback))),
            )

    async def _insist(self, what: str, function: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Writes to the store, again for a while where it refuses.

        Raises:
            Failure: it refuses for longer than `STORE_LIMIT`.
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
            except Exception as exc:  # without this its owner would seem to be gone
                if not told:
                    self._progress.warning(f"job_cancel can't reach this job now: {Failure.of(exc).message}")
                told = True
            await asyncio.sleep(HEARTBEAT_INTERVAL)

    def _storing_failed(self, run: Run, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Failure):
            run.cancel(error)
        elif error is not None:
            run.cancel(Failure("ControllerLost", f"The job's events can't be stored: {error!r}"))

    async def _events_stored(self, offset: int) -> None:
        if self._run is not None:
            await self._run.stored(offset)

    # -- the run's notebook --

    async def note(self, **columns: Any) -> None:
        """Sets columns of the job's row."""
        await self._calls(self._store.update, self._job_id, self._request.lease, **columns)

    def record(self, batch: Batch) -> None:
        """Gives events to the recorder."""
        self._recorder.add(batch)
