# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a workflow job does: starts the jobs of its nodes when their turn comes, until there are no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import (
    DO_NOT_RUN,
    Node,
    cancel,
    decide,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import HOST_STATUSES
from ansible_collections.jobpods.controller.plugins.module_utils.job.notebook import Notebook
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import (
    OwnedRun,
    PodlessRun,
    Start,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Outcome
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
    Prepare,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.updates import wait_for_place

NAMED = 3
"""Failed jobs that the message names."""

StartNode = Callable[[str, dict[str, Any]], Awaitable[OwnedJob]]
"""Starts the job of a node, by its identifier, with what the jobs before it have set by `set_stats`."""


@dataclass(frozen=True)
class FoundNode:
    """A node whose job there was already when a workflow job was taken over.

    Attributes:
        identifier: the node's.
        record: its job, as it was found.
        job: the same, taken over; None where it has ended.
    """

    identifier: str
    record: JobRecord
    job: OwnedJob | None


@dataclass(frozen=True)
class Plan:
    """A workflow job to be run.

    Attributes:
        order: the workflow job.
        nodes: what it has to run.
        start_of: makes what starts the jobs of its nodes, for the workflow job that they belong to.
        sliced: they are the slices of one job.
    """

    order: Order
    nodes: Sequence[Node]
    start_of: Callable[[OwnedJob], StartNode]
    sliced: bool = False

    async def start(self, jobs: OwnedJobs, *, child: bool = False) -> OwnedJob:
        """Starts the workflow job; `child` where other jobs run beside it here."""
        return await jobs.start(self.order, self.prepared(jobs), child=child)

    def prepared(
        self, jobs: OwnedJobs, find: Callable[[], Awaitable[Sequence[FoundNode]]] | None = None
    ) -> Prepare:
        """What the workflow job waits for and does.

        Args:
            jobs: the process' jobs.
            find: takes the jobs of its nodes over that there are already.
        """

        async def prepare(job: OwnedJob) -> Start:
            await wait_for_place(jobs, job)
            found = await find() if find is not None else ()

            async def start(_stack: AsyncExitStack, notebook: Notebook, progress: Progress) -> OwnedRun:
                return WorkflowRun(
                    jobs, self.nodes, self.start_of(job), notebook, progress, found, sliced=self.sliced
                )

            return start

        return prepare


class WorkflowRun(PodlessRun):
    """Runs the nodes of one workflow job; its summary is what their jobs add up to."""

    def __init__(
        self,
        jobs: OwnedJobs,
        nodes: Sequence[Node],
        start_node: StartNode,
        notebook: Notebook,
        progress: Progress,
        found: Sequence[FoundNode] = (),
        *,
        sliced: bool = False,
    ) -> None:
        super().__init__(notebook, progress)
        self._jobs = jobs
        self._nodes = nodes
        self._start_node = start_node
        self._statuses: dict[str, str] = {}
        self._running: dict[str, OwnedJob] = {}
        self._artifacts: dict[str, dict[str, Any]] = {}  # of each node, those before it included
        self._failed: list[str] = []
        self._found = found
        self._sliced = sliced

    async def execute(self) -> Outcome:
        """Runs the nodes to their end.

        Returns:
            How it ended; a `Failure` is an outcome, not raised.
        """
        self._notebook.begun()
        await self._notebook.note(status="running", execution_node=self._jobs.request.controller_node)
        try:
            self._take_found()
            return await self._run()
        except Exception:  # a fault of ours: what it has started is not left to itself
            for job in self._running.values():
                job.owner.cancel("Canceled because its workflow met an error.")
            raise

    def _take_found(self) -> None:
        """Begins with what was there already; the jobs come in the order in which they were started."""
        found, self._found = self._found, ()  # each is let go of when it has ended
        for node in found:
            self._artifacts[node.identifier] = self._before(node.identifier)
            if node.job is None:
                self._note_record(node.identifier, node.record)
            else:
                self._statuses[node.identifier] = "pending"
                self._running[node.identifier] = node.job

    async def _run(self) -> Outcome:
        while True:
            canceled = self._cancel.done()
            decision = (cancel if canceled else decide)(self._nodes, self._statuses)
            for identifier in decision.do_not_run:
                self._statuses[identifier] = DO_NOT_RUN
                self._progress.step(f"node {identifier} will not run", verbosity=1)
            for identifier in decision.cancel:
                if identifier in self._running:
                    self._running[identifier].owner.cancel(self._cancel.result().message)
            for identifier in decision.start:
                if not self._cancel.done():
                    await self._start(identifier)
            if decision.status is not None:
                return self._outcome(decision.status, decision.explanation)
            if self._cancel.done() and not canceled:  # meanwhile: what was started is to be cancelled, too
                continue
            if self._running.keys() >= set(decision.start):  # else one has failed already: look again
                await self._wait()

    async def _start(self, identifier: str) -> None:
        """Starts the job of a node; one that can't be started has failed.

        To start one may take long (its inventory is read, for example): a cancel ends that, too.
        """
        self._artifacts[identifier] = self._before(identifier)
        starting = asyncio.ensure_future(self._start_node(identifier, dict(self._artifacts[identifier])))
        try:
            await asyncio.wait((starting, self._cancel), return_when=asyncio.FIRST_COMPLETED)
        finally:
            starting.cancel()  # has no effect on what is done
            await asyncio.gather(starting, return_exceptions=True)
        if starting.cancelled():
            return
        try:
            job = starting.result()
        except Failure as failure:
            self._statuses[identifier] = "error"
            self._failed.append(f"node {identifier} (could not be started: {failure.message})")
            self._progress.warning(f"node {identifier} can't be started: {failure.message}")
            return
        self._statuses[identifier] = "pending"
        self._running[identifier] = job

    def _before(self, identifier: str) -> dict[str, Any]:
        """What the jobs before a node have set by `set_stats` (AWX: ancestor_artifacts)."""
        found: dict[str, Any] = {}
        for node in self._nodes:
            if identifier in node.children:
                found.update(self._artifacts.get(node.identifier, {}))
        return found

    async def _wait(self) -> None:
        """Waits until a job has ended, or somebody wants the workflow cancelled."""
        ending = {asyncio.create_task(job.ended()): name for name, job in self._running.items()}
        news: set[asyncio.Future[Any]] = set(ending)
        if not self._cancel.done():
            news.add(self._cancel)
        elif not ending:
            return
        try:
            await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done = [name for task, name in ending.items() if task.done()]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
        for identifier in done:
            await self._note_end(identifier, self._running.pop(identifier))

    async def _note_end(self, identifier: str, job: OwnedJob) -> None:
        trouble = job.trouble
        if trouble is not None:
            self._statuses[identifier] = "error"
            self._failed.append(f"job {job.id} ({job.name}): {trouble.message}")
            return
        self._note_record(identifier, await self._jobs.record(job))

    def _note_record(self, identifier: str, record: JobRecord) -> None:
        self._statuses[identifier] = record.status
        self._artifacts[identifier].update(record.artifacts)
        self._add(record)
        words = f"job {record.id} ({record.name}) ended {record.status}"
        if record.status != "successful":
            self._failed.append(f"{words}: {record.job_explanation}" if record.job_explanation else words)
        self._progress.step(words)

    def _add(self, record: JobRecord) -> None:
        summary = self.summary
        summary.stats = True
        summary.changed = summary.changed or record.changed is not False
        summary.artifacts.update(record.artifacts)
        for status in HOST_STATUSES:
            count = summary.hosts.get(status, 0) + record.host_status_counts.get(status, 0)
            summary.hosts[status] = count

    def _outcome(self, status: str, explanation: str) -> Outcome:
        if status == "canceled":
            return Outcome(self._cancel.result(), self.summary, None, bool(self.summary.stats))
        if status == "successful":
            return Outcome(None, self.summary)
        if self._sliced:
            explanation = f"{len(self._failed)} of {len(self._nodes)} slices failed"
        more = f" and {len(self._failed) - NAMED} more" if len(self._failed) > NAMED else ""
        named = "; ".join(words.rstrip(".") for words in self._failed[:NAMED])
        message = f"{explanation}: {named}{more}"
        return Outcome(Failure("WorkflowFailed", message), self.summary, None, True)
