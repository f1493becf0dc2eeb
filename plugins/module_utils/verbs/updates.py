# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates of projects and inventory sources: jobs of their own, also where another job needs them first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import StoredObject
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import Pending, Placed
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.inventory_sources import (
    InventorySourceRequest,
    update_inventory_source,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import ProjectSource
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.update import (
    find_revision,
    update_project,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import after
from ansible_collections.jobpods.controller.plugins.module_utils.job.update_run import (
    Work,
    update_on_controller,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import OWNER_SILENCE
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import (
    Order,
    OwnedJob,
    OwnedJobs,
    Prepare,
)

PLACE_INTERVAL = 0.5
"""Seconds between two looks whether it is a waiting job's turn."""


async def wait_for_place(jobs: OwnedJobs, job: OwnedJob) -> Placed:
    """Waits until it is a job's turn, and there is room for it."""
    store, calls = jobs.opened.store, jobs.opened.calls
    found: Placed | Pending = await calls(store.place, job.id, job.lease, OWNER_SILENCE)
    told, since = "", time.monotonic()
    while isinstance(found, Pending):
        if found.explanation != told:
            told = found.explanation
            job.owner.phase("queued", told)
            job.feed.step(f"pending: {told}")
            await calls(store.update, job.id, job.lease, job_explanation=told)
        still = await jobs.line.look(job.id, job.lease, PLACE_INTERVAL)
        found = still if still is not None else await calls(store.place, job.id, job.lease, OWNER_SILENCE)
    if told:
        job.owner.phase("queued")
        job.feed.step(f"it is this job's turn{after(time.monotonic() - since)}")
    return found


class Updates:
    """Starts updates in one job process."""

    def __init__(self, jobs: OwnedJobs) -> None:
        self._jobs = jobs
        self._store = jobs.opened.store
        self._calls = jobs.opened.calls
        self._beside: dict[int, list[OwnedJob]] = {}
        self._whys: dict[int, str] = {}

    async def also_for(self, job: OwnedJob, first: OwnedJob) -> None:
        """Has a job say what another one waits for, whose updates are for both of them."""
        self._beside.setdefault(first.id, []).append(job)
        if first.id in self._whys:
            await self._explain(job, self._whys[first.id])

    async def _explain(self, job: OwnedJob, why: str) -> None:
        job.owner.phase("queued", why)
        with suppress(LeaseLost):  # it has ended meanwhile, or is another process'; its owner sees that
            await self._calls(self._store.update, job.id, job.lease, job_explanation=why)

    # -- projects --

    async def project(self, project_id: int, branch: str, job: OwnedJob) -> ProjectRevision:
        """The revision of a project that a job is to run; brought by an update where one is due.

        Args:
            project_id: the project's.
            branch: that the job wants; empty for the project's own.
            job: that needs it.

        Raises:
            Failure: there is none.
        """
        plan = await self._calls(self._store.projects.plan, project_id, branch)
        if not plan.needed:
            return await self.revision(project_id, plan.branch, plan.revision, job)
        project = await self._calls(self._store.objects.by_id, "project", project_id)
        found: list[ProjectRevision] = []
        update = await self.update_project(
            project, plan.branch, own=plan.own, launch_type="sync", found=found.append, child=True
        )
        await self._wait_for(update, job, f"The update of project {project.name!r}")
        return found[0]

    async def revision(self, project_id: int, branch: str, revision: str, job: OwnedJob) -> ProjectRevision:
        """A revision that an update has brought; it is got again where it was removed meanwhile.

        Args:
            project_id: the project's.
            branch: that the revision is of; empty for the project's own.
            revision: the one; empty for a manual project.
            job: that needs it.

        Raises:
            Failure: it can't be got any more.
        """
        project = await self._calls(self._store.objects.by_id, "project", project_id)
        source = await self._source(project, branch or str(project.values["scm_branch"]))
        return await find_revision(source, revision, job.feed, output=lambda line: job.feed.step(line, 1))

    async def manual_folder(self, project_id: int) -> str | None:
        """The folder of a manual project; None where the project's files come from elsewhere."""
        project = await self._calls(self._store.objects.by_id, "project", project_id)
        manual = project.values["scm_type"] == "manual"
        return str(project.values["local_path"]) if manual else None

    async def update_project(
        self,
        project: StoredObject,
        branch: str,
        *,
        own: bool = True,
        launch_type: str = "manual",
        found: Callable[[ProjectRevision], None] = lambda revision: None,
        wait: bool = True,
        child: bool = False,
        columns: dict[str, Any] | None = None,
    ) -> OwnedJob:
        """Starts an update of a project.

        Args:
            project: the project.
            branch: to update to.
            own: it is the project's own, so that others may use what is brought.
            launch_type: `manual`, `sync` or `workflow`.
            found: told the revision.
            wait: its launcher waits for it.
            child: another job runs beside it here.
            columns: further ones of its row.
        """
        source = await self._source(project, branch)

        async def work(output: Callable[[str], None], progress: Progress) -> bool:
            revision = await update_project(source, progress, output=output)
            found(revision)
            if not own or source.scm_type == "manual":
                return False
            before = await self._calls(self._store.projects.state, project.id)
            await self._calls(self._store.projects.updated, project.id, revision.revision, project.values)
            return revision.revision != before.revision

        order = Order(
            "project_update",
            project.name,
            {"project": project.id, "scm_branch": branch},
            {
                "project_id": project.id,
                "organization_id": project.values["organization"],
                "launch_type": launch_type,
                **(columns or {}),
            },
            wait,
        )
        return await self._jobs.start(order, self._prepared(work), child=child)

    async def _source(self, project: StoredObject, branch: str) -> ProjectSource:
        inputs = None
        if project.values["credential"] is not None:
            credential = await self._calls(
                self._store.objects.by_id, "credential", project.values["credential"]
            )
            inputs = credential.values["inputs"]
        return ProjectSource.from_stored(
            project.id,
            project.name,
            {**project.values, "scm_branch": branch},
            inputs,
            data_dir=self._jobs.opened.options.data_dir,
            environ=self._jobs.request.environ,
        )

    # -- inventory sources --

    async def inventory(self, inventory_id: int, job: OwnedJob) -> None:
        """Updates those sources of an inventory that are due before a job on it.

        Raises:
            Failure: an update failed.
        """
        for source in await self._calls(self._store.inventories.sources, inventory_id):
            if source.due:
                stored = await self._calls(self._store.objects.by_id, "inventory_source", source.id)
                update = await self.update_inventory(stored, launch_type="sync", child=True)
                await self._wait_for(update, job, f"The update of inventory source {source.name!r}")

    async def update_inventory(
        self,
        source: StoredObject,
        *,
        launch_type: str = "manual",
        wait: bool = True,
        child: bool = False,
        columns: dict[str, Any] | None = None,
    ) -> OwnedJob:
        """Starts an update of an inventory source.

        Args:
            source: the source.
            launch_type: `manual`, `sync` or `workflow`.
            wait: its launcher waits for it.
            child: another job runs beside it here.
            columns: further ones of its row.
        """
        values = source.values
        started: list[OwnedJob] = []

        async def work(output: Callable[[str], None], progress: Progress) -> bool:
            folder = ""
            if values["source_project"] is not None:
                revision = await self.project(values["source_project"], "", started[0])
                folder = str(revision.folder)
            request = await self._calls(self._source_request, source, folder)
            listing = await update_inventory_source(request, output)
            return bool(await self._calls(self._store.inventories.save_update, source.id, listing))

        order = Order(
            "inventory_update",
            source.name,
            {"inventory_source": source.id},
            {
                "inventory_source_id": source.id,
                "inventory_id": values["inventory"],
                "launch_type": launch_type,
                **(columns or {}),
            },
            wait,
        )

        async def prepare(job: OwnedJob) -> Start:
            started.append(job)
            return await self._prepared(work)(job)

        return await self._jobs.start(order, prepare, child=child)

    def _source_request(self, source: StoredObject, folder: str) -> InventorySourceRequest:
        values = source.values
        kind, inputs = "", {}
        if values["credential"] is not None:
            credential = self._store.objects.by_id("credential", values["credential"]).values
            kind, inputs = credential["credential_type"], credential["inputs"]
        return InventorySourceRequest(
            name=source.name,
            source=values["source"],
            source_path=values["source_path"],
            source_vars=values["source_vars"],
            project=folder,
            credential_type=kind,
            inputs=inputs,
            limit=values["limit"],
            verbosity=values["verbosity"],
            timeout=values["timeout"],
            environment=self._jobs.request.environ,
        )

    # -- both --

    def _prepared(self, work: Work) -> Prepare:
        async def prepare(job: OwnedJob) -> Start:
            await wait_for_place(self._jobs, job)
            return update_on_controller(work, self._jobs.request.controller_node)

        return prepare

    async def _wait_for(self, update: OwnedJob, job: OwnedJob, what: str) -> None:
        """Waits for an update that a job needs.

        Raises:
            Failure: it was not successful (AWX: Previous Task Failed).
        """
        why = f"waiting for job {update.id} to finish: {what[0].lower()}{what[1:]}"
        job.owner.phase("queued", why)
        await self._calls(self._store.update, job.id, job.lease, job_explanation=why)
        self._whys[job.id] = why
        for each in tuple(self._beside.get(job.id, ())):
            await self._explain(each, why)
        try:
            await update.ended()
        except asyncio.CancelledError:
            update.owner.cancel(f"Canceled because job {job.id} is.")
            raise
        for each in (job, *self._beside.get(job.id, ())):
            each.owner.phase("queued")
        record = await self._jobs.record(update)
        if record.status == "successful":
            return
        failure = record.failure or {}
        raise Failure(
            "ProjectUpdateFailed" if record.type == "project_update" else "InventoryInvalid",
            f"{what} (job {update.id}) ended {record.status}: {failure.get('message', '')}",
            details={"job_id": update.id, "job_name": update.name, "job_type": record.type},
            hint=failure.get("hint", ""),
            traceback=record.result_traceback,
        )
