# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goes on with jobs whose process is gone, and deletes pods that ended jobs have left behind.

Two verbs that no module has: `adopt_jobs` is started by whatever verb finds that there is something to do
(`orphans.py`), `adopt_job` by a launcher whose job process was killed (`launcher.py`).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import impact
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import is_gone
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import (
    FINAL,
    JobRecord,
    LeaseLost,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import job_result
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import Definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launching import (
    on_signals,
    own_to_the_end,
    plan_slices,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.left_pods import remove_left_pods
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore, open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import orphans
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.preparation import (
    WHOLE,
    Preparation,
    Slice,
    columns_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import Caller
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.workflow_jobs import (
    Workflow,
    plan_workflow,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.workflow_run import FoundNode, Plan

LAUNCHER_GONE = "Canceled because its launcher is gone, and the process that ran it, too."

OWNER_MOMENT = 3.0
"""Seconds in which an owner that lives writes about its job, where the database lets it."""


async def adopt_jobs(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Takes over what other processes have left, and owns it to its end; nobody waits for it."""
    async with open_store(request, feed, adopts=False) as opened:
        found = await opened.calls(orphans, opened.store)
        adopting: list[OwnedJobs] = []

        def leave(_number: signal.Signals) -> None:
            for jobs in adopting:
                jobs.leave()

        on_signals(leave)
        sweeping = asyncio.create_task(remove_left_pods(opened, found.pods))

        async def take(record: JobRecord) -> None:
            jobs = await _jobs_for(request, opened, feed, record)
            adopting.append(jobs)
            try:
                job = await Adoption(jobs).take(record)
            except LeaseLost:
                return  # another adopter was quicker
            if record.wait:
                job.owner.cancel(LAUNCHER_GONE)

        # What the store refuses now is found again by whoever looks next; those that were taken go on.
        gone = [record for record in found.jobs if is_gone(record.owner)]
        for record in gone:
            with suppress(Failure):
                await take(record)
        with suppress(Failure):
            for record in await _still_silent(opened, [each for each in found.jobs if each not in gone]):
                with suppress(Failure):
                    await take(record)
        await asyncio.gather(sweeping, *(jobs.close() for jobs in adopting), return_exceptions=True)
    return {}


async def _still_silent(opened: OpenStore, records: Sequence[JobRecord]) -> Sequence[JobRecord]:
    """The jobs whose owners say nothing although they could.

    A database that was locked or full has silenced all of them, and whoever waits to take their jobs over may
    be let in before them. So it has to take something first, and then they get a moment.
    """
    if not records:
        return ()
    for record in records:
        await opened.calls(opened.store.touch, record.id)
    await asyncio.sleep(OWNER_MOMENT)
    now = [await opened.calls(opened.store.get, record.id) for record in records]
    return [new for new, old in zip(now, records, strict=True) if new.heartbeat == old.heartbeat]


async def adopt_job(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Takes over the job of a launcher whose job process is gone, and answers as that one would have."""
    async with open_store(request, feed, adopts=False) as opened:
        record = await opened.calls(opened.store.get, int(request.params["job_id"]))
        shown = {int(number): counter for number, counter in request.params["shown"].items()}
        if record.status in FINAL:  # it was killed between the job's end and its answer
            show_rest(opened, feed, record, shown)
            for child in await opened.calls(opened.store.children, record.id):
                show_rest(opened, feed, child, shown, child=True)
            return await opened.calls(job_result, opened.store, record.id)
        jobs = await _jobs_for(request, opened, feed, record)
        try:
            job = await Adoption(jobs, shown).take(record)
        except LeaseLost as exc:
            raise Failure(
                "ControllerLost",
                f"The process that ran job {record.id} is gone, and another one has taken the job over.",
                hint=f"Wait for it with job_wait and job_id: {record.id}.",
            ) from exc
        await own_to_the_end(jobs, job, launcher, wait=record.wait)
    return None


async def _jobs_for(request: Request, opened: OpenStore, feed: LauncherFeed, record: JobRecord) -> OwnedJobs:
    """The jobs of this process that go on with what a job's launcher has asked for, in its environment."""
    try:
        caller = Caller.from_stored(await opened.calls(opened.store.caller, record.id))
    except Failure:  # an update, which nobody can go on with
        return OwnedJobs(request, opened, feed)
    environment = dict(caller.environ)
    theirs = replace(request, folder=str(caller.folder), started_in="", environment=environment)
    return OwnedJobs(theirs, opened, feed)


class Adoption:
    """Takes over one job, with all that it brings."""

    def __init__(self, jobs: OwnedJobs, shown: dict[int, int] | None = None) -> None:
        """Gets ready.

        Args:
            jobs: of this process.
            shown: up to which event the launcher has seen the output of each job; None where there is none.
        """
        self._jobs = jobs
        self._shown = shown
        self._calls = jobs.opened.calls
        self._store = jobs.opened.store

    async def take(self, record: JobRecord, *, child: bool = False) -> OwnedJob:
        """Takes a job over.

        Raises:
            LeaseLost: it has ended, or somebody else was quicker.
        """
        shown = None if self._shown is None else self._shown.get(record.id, 0)
        prepare = partial(self._prepare, record.controller_node)
        return await self._jobs.adopt(record, prepare, child=child, shown=shown)

    async def _prepare(self, node: str, job: OwnedJob) -> Start:
        """What the job does from here on; what is not kept any more is told as the job's failure.

        Args:
            node: where its owner was.
            job: the job, which is ours now.
        """
        record = replace(await self._jobs.record(job), controller_node=node)
        if record.type in ("project_update", "inventory_update"):
            words = f"The update ended with the process on {record.controller_node} that did it."
            raise Failure("ControllerLost", words)
        asked = await self._calls(self._store.request, record.id)
        caller = Caller.from_stored(await self._calls(self._store.caller, record.id))
        if record.type == "workflow_job":
            plan = await self._plan(record, asked, caller)
            return await plan.prepared(self._jobs, partial(self._find, record))(job)
        preparation = Preparation(self._jobs, Definition.from_stored(asked["definition"]), caller)
        part = WHOLE
        if record.job_slice_number:
            part = Slice(record.job_slice_number, record.job_slice_count)
        return await preparation.resume(job, record, part)

    async def _plan(self, record: JobRecord, asked: Result, caller: Caller) -> Plan:
        if "workflow" in asked:
            workflow = Workflow.from_stored(asked["workflow"])
            return await plan_workflow(self._jobs, workflow, caller, wait=record.wait)
        definition = Definition.from_stored(asked["definition"])
        preparation = Preparation(self._jobs, definition, caller)
        count = hosts = record.job_slice_count
        with suppress(Failure):  # the slices that are there know theirs
            hosts = len(await preparation.hosts())
        columns = columns_of(definition, impact(hosts, int(definition.options["forks"])))
        order = Order("workflow_job", record.name, asked, columns, record.wait, caller.to_stored())
        return plan_slices(self._jobs, preparation, order, count, hosts)

    async def _find(self, record: JobRecord) -> Sequence[FoundNode]:
        """The jobs of a workflow job's nodes: those that go on are taken over."""
        found = []
        for child in await self._calls(self._store.children, record.id):
            job = None
            if child.status not in FINAL:
                try:
                    job = await self.take(child, child=True)
                except LeaseLost:  # it may have ended a moment ago
                    child = await self._calls(self._store.get, child.id)
                    if child.status not in FINAL:
                        raise
            if job is None and self._shown is not None:
                show_rest(self._jobs.opened, self._jobs.feed, child, self._shown, child=True)
            found.append(FoundNode(child.workflow_node, child, job))
        return found


def show_rest(
    opened: OpenStore, feed: LauncherFeed, record: JobRecord, shown: Mapping[int, int], *, child: bool = False
) -> None:
    """Shows what the launcher has not seen of a job that has ended."""
    told = feed.job(record.id, record.name, partial(opened.events_after, record.id), child=child)
    told.all_stored = True
    told.catch_up(shown.get(record.id, 0), record.event_count)


VERBS: dict[str, Verb] = {"adopt_job": adopt_job, "adopt_jobs": adopt_jobs}
