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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import impact
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
    Prepare,
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


async def adopt_jobs(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Takes over what other processes have left, and owns it to its end; nobody waits for it."""
    async with open_store(request, feed, adopts=False) as opened:
        found = await opened.calls(orphans, opened.store)
        adopting: list[OwnedJobs] = []

        def leave() -> None:
            for jobs in adopting:
                jobs.leave()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave)
        sweeping = asyncio.create_task(remove_left_pods(opened, found.pods, request.environ))
        for record in found.jobs:
            jobs = await _jobs_for(request, opened, feed, record)
            adopting.append(jobs)
            try:
                job = await Adoption(jobs).take(record)
            except LeaseLost:
                continue  # another adopter was quicker
            if record.wait:
                job.owner.cancel(LAUNCHER_GONE)
        await asyncio.gather(sweeping, *(jobs.close() for jobs in adopting))
    return {}


async def adopt_job(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Takes over the job of a launcher whose job process is gone, and answers as that one would have."""
    async with open_store(request, feed, adopts=False) as opened:
        record = await opened.calls(opened.store.get, int(request.params["job_id"]))
        if record.status in FINAL:  # it was killed between the job's end and its answer
            told = feed.job(record.id, record.name, partial(opened.events_after, record.id))
            told.all_stored = True
            told.catch_up(int(request.params["shown"].get(str(record.id), 0)), record.event_count)
            return await opened.calls(job_result, opened.store, record.id)
        jobs = await _jobs_for(request, opened, feed, record)
        shown = {int(number): counter for number, counter in request.params["shown"].items()}
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
        return await self._jobs.adopt(record, self._prepared(record), child=child, shown=shown)

    def _prepared(self, record: JobRecord) -> Prepare:
        """What the job does from here on; what is not kept any more is told as the job's failure."""

        async def prepare(job: OwnedJob) -> Start:
            if record.type in ("project_update", "inventory_update"):
                raise Failure(
                    "ControllerLost",
                    f"The update ended with the process on {record.controller_node} that did it.",
                )
            asked = await self._calls(self._store.request, record.id)
            caller = Caller.from_stored(await self._calls(self._store.caller, record.id))
            if record.type == "workflow_job":
                plan = await self._plan(record, asked, caller)
                find = partial(self._find, record)
                return await plan.prepared(self._jobs, find)(job)
            preparation = Preparation(self._jobs, Definition.from_stored(asked["definition"]), caller)
            part = WHOLE
            if record.job_slice_number:
                part = Slice(record.job_slice_number, record.job_slice_count)
            return await preparation.resume(job, record, part)

        return prepare

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
                job = await self.take(child, child=True)
            found.append(FoundNode(child.workflow_node, child, job))
        return found


VERBS: dict[str, Verb] = {"adopt_job": adopt_job, "adopt_jobs": adopt_jobs}
