# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owns one job from its lease to its final status: heartbeat, cancel, run, record, and the pod's end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch, Summary
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import KeptPod
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_row import OwnedRow
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import OwnedRun, Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import Recorder, StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.job.removal import refused
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import SLOW_START, Phase, Story
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Outcome

HEARTBEAT_INTERVAL = 0.5
"""Seconds between two looks at the job's row: whether it shall be cancelled, and that its owner lives."""
OWNERSHIP_LIMIT = 2.0
"""Seconds for which a run that has ended waits for the store to say that the job is still its own."""
FLUSH_LIMIT = 150.0
"""Seconds that the last events may take to be stored: `STORE_LIMIT`, and a last try that takes long."""
KEPT_FOR_OTHERS = (
    "Its pod stays, and keeps what is not stored: as soon as the store answers, any task of this collection"
    " has the job taken over, and its end stored."
)
QUICK_REMOVAL = 5.0
"""Seconds of these for which the result waits; after them the pod is deleted behind the job's back."""


@dataclass
class Removal:
    """The pod's deletion: it is the job's last duty, and may outlast its result.

    Attributes:
        pod_name: whose.
        task: which deletes it, or of a pod that is kept only its secret.
        kept: the pod stays.
        failed: the deletion was refused, which was told.
    """

    pod_name: str
    task: asyncio.Task[bool]
    kept: bool = False
    failed: bool = False


class JobOwner:
    """Runs one job and keeps its row true. It is the run's notebook.

    Attributes:
        unfinished: why the row could not get its final status, once the job has ended; None where it has it.
    """

    def __init__(
        self,
        job_id: int,
        lease: int,
        prepare: Callable[[], Awaitable[Start]],
        store: JobStore,
        calls: StoreCalls,
        progress: Progress,
        stored_events: int = 0,
        *,
        begun: bool = False,
        start: Iterable[dict[str, Any]] = (),
    ) -> None:
        """Gets ready; `own` does it.

        Args:
            job_id: the job.
            lease: the fencing number under which it is this owner's.
            prepare: waits for what the job needs, room for it included; cancelled where the job is.
            store: where the job is kept.
            calls: the store's thread.
            progress: told what happens.
            stored_events: counter of the last event that an earlier owner has stored.
            begun: that owner has begun with the job: it is cancelled only when it is known what there is.
            start: what that owner has stored of the story of the job's start.
        """
        self.unfinished: Failure | None = None
        self._job_id = job_id
        self._lease = lease
        self._prepare = prepare
        self._begun = begun
        self._store = store
        self._calls = calls
        self._progress = progress
        self._row = OwnedRow(job_id, lease, store, calls, progress)
        self._story = Story(start)
        write = partial(self._row.insist, "the job's events")
        self._recorder = Recorder(
            store, write, job_id, lease, self._events_stored, stored_events, self._story.unsaved
        )
        self._run: OwnedRun | None = None
        self._ended = False  # the row says so
        self._lost = False  # to another process
        loop = asyncio.get_running_loop()
        self._canceled: asyncio.Future[Failure] = loop.create_future()
        self._leaving: asyncio.Future[None] = loop.create_future()

    def cancel(self, why: str) -> None:
        """Cancels the job, whatever it is doing."""
        if not self._canceled.done():
            self._canceled.set_result(Failure("Canceled", why))
        if self._run is not None:
            self._run.cancel(self._canceled.result())

    def leave(self) -> None:
        """Leaves the job as it is, for whoever adopts it; one that has ended still gets its final status."""
        if not self._leaving.done():
            self._leaving.set_result(None)

    async def own(self, finished: asyncio.Event) -> None:
        """Runs the job to its end.

        Args:
            finished: set when the row has its final status, or can't get it; this is the answer to whoever
                waits, while the pod may still have to be deleted.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._recorder.close)
            heart = asyncio.create_task(self._beat())
            stack.callback(heart.cancel)
            try:
                run = await self._started(stack)
            except LeaseLost:
                self._lose()
                return
            except Exception as exc:  # the connection can't be used at all, for example
                await self._finish(Outcome(Failure.of(exc), Summary(), None, self._begun), None)
                finished.set()
                return
            if run is None:
                return
            self._run = run
            stack.push_async_callback(run.close)
            self._recorder.broken.add_done_callback(lambda task: self._storing_failed(run, task))
            if self._canceled.done():
                run.cancel(self._canceled.result())
            outcome = await self._execute(run)
            if outcome is None or not await self._owns():
                return
            removal = await self._settle(run, outcome)
            heart.cancel()
            finished.set()
            if removal is not None:
                await self._finish_removal(removal)

    async def _started(self, stack: AsyncExitStack) -> OwnedRun | None:
        """What the job is to do, once it may; None where it is left before that.

        Raises:
            Failure: it can't, or it was cancelled.
        """
        preparing = asyncio.ensure_future(self._prepare())
        news: set[asyncio.Future[Any]] = {preparing, self._leaving}
        if not self._begun:
            news.add(self._canceled)
        try:
            await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
            if preparing.done():
                return await preparing.result()(stack, self, self._progress)
        finally:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
        if self._canceled.done() and not self._leaving.done():
            raise self._canceled.result()
        return None

    async def _execute(self, run: OwnedRun) -> Outcome | None:
        """How the run ended; None where it is left before its end."""
        executing = asyncio.create_task(run.execute())
        try:
            await asyncio.wait((executing, self._leaving), return_when=asyncio.FIRST_COMPLETED)
            return executing.result() if executing.done() else None
        except LeaseLost:
            self._lose()
            return None
        except Exception as exc:  # the outer edge of a job: its row must get a final status whatever happens
            return Outcome(Failure.of(exc), run.summary, None, True)
        finally:
            executing.cancel()
            await asyncio.gather(executing, return_exceptions=True)

    def _lose(self) -> None:
        """Leaves the job to another controller process, which has taken it over."""
        self._lost = True
        if self.unfinished is None:
            self.unfinished = Failure(
                "ControllerLost",
                f"Another controller process has taken job {self._job_id} over, since this one seemed to be"
                " gone.",
                hint=f"Wait for it with job_wait and job_id: {self._job_id}.",
                retryable=False,
            )
        self.leave()

    async def _owns(self) -> bool:
        """Whether the job is still this owner's, as far as it can know: else it leaves job and pod alone."""
        try:
            await within(OWNERSHIP_LIMIT, self._row.look())
        except LeaseLost:
            self._lose()
            return False
        except Exception as exc:  # others may reach the store all the same: that the end is stored will tell
            self._progress.step(f"the store does not answer now: {exc!r}", verbosity=2)
        return True

    # -- the end --

    async def _settle(self, run: OwnedRun, outcome: Outcome) -> Removal | None:
        """Stores what is left, and has the pod deleted.

        The row gets its final status before the pod goes: who takes the job over in between would find
        neither. Where it does not get it, the pod stays, and tells the end once more to whoever takes the job
        over; that one may be at it already, where only this owner can't reach the store. But the pod of a run
        that may go on goes at once, as long as it is certain that nobody is.

        Returns:
            The pod's deletion, where that is not done yet.
        """
        if outcome.ended is not None:  # the pod keeps what is not stored yet
            await self._store_rest(outcome)
        kept = await self._keep(run, outcome)
        removing = run.removal(outcome)
        pod_name = run.pod_name if removing or kept else ""
        removal: Removal | None = None
        if outcome.ended is None:
            storing = asyncio.create_task(self._store_all(outcome, pod_name, kept))
            certain = self._row.certain_for
            if removing is not None and certain:
                removal = Removal(run.pod_name, asyncio.create_task(removing), kept is not None)
                await asyncio.wait((storing,), timeout=certain)
                if not self._ended:
                    await _stop(removal.task)
                    removal, removing = None, run.removal(outcome)
            await storing
        else:
            await self._finish(outcome, pod_name, kept)
        if removing is not None and removal is None:
            if self._leaving.done() or not self._ended:
                removing.close()
            else:
                removal = Removal(run.pod_name, asyncio.create_task(removing), kept is not None)
        await self._take_leave(run, outcome, kept, removal)
        if removal is not None and removal.task.done():
            await self._note_removal(removal)
            return None
        return removal

    async def _store_all(self, outcome: Outcome, pod_name: str, kept: KeptPod | None) -> None:
        """Stores the events that wait, and the end."""
        await self._store_rest(outcome)
        await self._finish(outcome, pod_name, kept)

    async def _keep(self, run: OwnedRun, outcome: Outcome) -> KeptPod | None:
        """The pod, where it stays for people to look into it."""
        try:
            return await run.keep(outcome)
        except Exception as exc:  # then it goes, as any other
            self._progress.warning(f"the pod can't be kept: {exc!r}")
            return None

    async def _take_leave(
        self, run: OwnedRun, outcome: Outcome, kept: KeptPod | None, removal: Removal | None
    ) -> None:
        """Lets the pod go, or stay."""
        if kept is not None and self._ended:
            self._progress.step(kept.how_to_look())
        try:
            over = outcome.ended is not None and (kept is None or not kept.runs)
            if over and self._ended:  # else somebody has still to hear that
                await run.bye()
            if removal is not None and run.pod_uid is not None:
                await asyncio.wait((removal.task,), timeout=QUICK_REMOVAL)
            await run.close()
        except Exception as exc:
            self._progress.warning(f"the pod could not be taken leave of: {exc!r}")

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
        if removal.task.done():
            await self._note_removal(removal)
        else:
            await _stop(removal.task)

    async def _note_removal(self, removal: Removal) -> None:
        """Has the row say that the pod is gone, where it is."""
        if self._removed(removal) and not removal.kept and self.unfinished is None:
            try:
                await self._row.pod_removed()
            except Exception as exc:  # the status is stored: this is no news for the result
                self._progress.warning(f"it is not stored that the pod is gone: {Failure.of(exc).message}")

    async def _finish(self, outcome: Outcome, pod_name: str | None, kept: KeptPod | None = None) -> None:
        """Gives the row its final status.

        Args:
            outcome: how the run ended.
            pod_name: of the pod that has still to be deleted; empty where there is none. None where the row
                has all that is known of it: a pod of an earlier owner is deleted like one that was left.
            kept: the pod stays for a while.
        """
        failure, summary, ended = outcome.failure, outcome.summary, outcome.ended
        self._story.end()
        columns: dict[str, Any] = {
            "start": self._story.to_stored(),
            "status": failure.status if failure is not None else "successful",
            "failure": failure.as_result() if failure is not None else None,
            "job_explanation": failure.message if failure is not None else "",
            "result_traceback": failure.traceback if failure is not None else "",
            "host_status_counts": summary.hosts,
            "event_count": self._recorder.stored_events,
            "changed": _changed(outcome),
            "artifacts": summary.artifacts,
        }
        if pod_name is not None:
            columns["pod_deleted"] = not pod_name
        facts: dict[str, Any] = {"resources": outcome.resources}
        if kept is not None:
            facts["kept"] = kept.as_fact()
            columns["keep_pod_for"] = kept.seconds
        columns["facts"] = facts
        if pod_name:
            columns["pod_name"] = pod_name  # new where the answer to its create never came
        try:
            await self._row.finish(**columns)
            self._ended = True
        except LeaseLost:
            self._lose()
        except Exception as exc:
            cause = Failure.of(exc)
            what = "The job ended" if ended is not None or not pod_name else "The job was given up here"
            self.unfinished = Failure(
                cause.reason,
                f"{what} ({columns['status']}), but this could not be stored: {cause.message}",
                hint=KEPT_FOR_OTHERS if pod_name and ended is not None else cause.hint,
                traceback="\n".join(filter(None, (columns["job_explanation"], cause.traceback))),
            )

    # -- while it runs --

    async def _beat(self) -> None:
        told = False
        while True:
            try:
                if not await self._goes_on():
                    return
                told = False
            except Exception as exc:  # without this its owner would seem to be gone
                if not told:
                    self._progress.warning(f"job_cancel can't reach this job now: {Failure.of(exc).message}")
                told = True
            await asyncio.sleep(HEARTBEAT_INTERVAL)

    async def _goes_on(self) -> bool:
        """Looks at the row, and obeys it; returns whether there is still something to look for."""
        try:
            if await self._row.look():
                self.cancel("Canceled by job_cancel.")
            if self._story.due:
                await self._calls(self._store.update, self._job_id, self._lease, **self._story.unsaved())
        except LeaseLost:
            if not self._ended and not await self._row.is_final():
                self._lose()
            return False
        return True

    def _storing_failed(self, run: OwnedRun, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LeaseLost):
            self._lose()
        elif isinstance(error, Failure):
            run.cancel(error)
        elif error is not None:
            run.cancel(Failure("ControllerLost", f"The job's events can't be stored: {error!r}"))

    async def _events_stored(self, offset: int) -> None:
        if self._run is not None:
            await self._run.stored(offset)

    # -- the run's notebook --

    async def note(self, **columns: Any) -> None:
        """Sets columns of the job's row."""
        await self._row.set(**{**self._story.unsaved(), **columns})

    async def next_attempt(self, lost: dict[str, Any], *, started: bool) -> None:
        """Keeps in mind that the job's pod was lost, and forgets the events that came from it."""
        why = f"attempt {lost['attempt']} was lost ({lost['reason']})"

        async def forget() -> None:
            lost["start"] = self._story.begin_again(why)
            start = self._story.unsaved()["start"]
            await self._calls(
                self._store.next_attempt, self._job_id, self._lease, lost, start, started=started
            )

        await self._recorder.start_anew(forget)

    def phase(self, phase: Phase, detail: str = "") -> float:
        """Goes on to a phase of the job's start, or tells more of one."""
        return self._story.enter(phase, detail)

    def begun(self, task: str = "") -> None:
        """Ends the story of the start, and tells it where it was a long one, or with `-v`."""
        if self._story.end(task) and task:
            seconds = self._story.seconds
            level = 0 if seconds >= SLOW_START else 1
            self._progress.step(f"first task after {seconds:.1f} s: {self._story}", verbosity=level)

    def record(self, batch: Batch) -> None:
        """Gives events to the recorder."""
        self._recorder.add(batch)


async def _stop(task: asyncio.Task[bool]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _changed(outcome: Outcome) -> bool | None:
    """Whether the playbook changed anything; None where that can't be known."""
    summary = outcome.summary
    if outcome.repeated:
        return summary.changed or None
    if summary.stats:
        return summary.changed
    # With the supervisor's report all of the output is there, and no play can have been overlooked.
    none_ran = outcome.ended is not None and not summary.play_started
    return False if none_ran or not outcome.worker_started else None
