# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes before a playbook job: its project and inventory are brought up to date, and it gets a place."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import (
    Group,
    never_fits,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.controller.slices import (
    pare_inventory,
    slice_hosts,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_inventory import Reading
from ansible_collections.jobpods.controller.plugins.module_utils.job.attempts import in_pod
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import RunnerStream
from ansible_collections.jobpods.controller.plugins.module_utils.job.inventories import (
    Inventory,
    inventory_hosts,
    launch_inventory,
    read_inventory,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import InventorySource, Launch
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import (
    read_inventory as read_inventory_option,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_run import on_controller
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload, build_payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import (
    Marks,
    RunRequest,
    TakenOver,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import Definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import OwnedJob, OwnedJobs
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import (
    Caller,
    Place,
    Resolver,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.updates import Updates, wait_for_place


@dataclass(frozen=True)
class Slice:
    """Which part of a job a slice is; `number` is from 1, and 0 where the job is whole."""

    number: int = 0
    count: int = 1


WHOLE = Slice()
KNOWN_AT_ONCE = 4 << 20
"""Bytes of a job's stored events that are read at once, while nobody else can call the store."""


@dataclass(frozen=True)
class Brought:
    """What the updates before a job have brought.

    Attributes:
        revision: of the project; None where a folder is given.
        inventory: what all slices are cut from; None for a whole job.
    """

    revision: ProjectRevision | None
    inventory: Inventory | None

    @property
    def folder(self) -> str | None:
        """With the project's files."""
        return str(self.revision.folder) if self.revision is not None else None


@dataclass(frozen=True)
class Checked:
    """What is known of a job before it is there.

    Attributes:
        place: where it would run; None where that can't be known yet, since updates come first.
        groups: ids of the container groups that it can run in; empty for the inline one.
        passed_over: for each of its other groups, that it is left out, and why.
    """

    place: Place | None
    groups: tuple[int, ...] = ()
    passed_over: tuple[str, ...] = ()


class Preparation:
    """Prepares the playbook jobs of one definition: all of its slices, or the whole."""

    def __init__(self, jobs: OwnedJobs, definition: Definition, caller: Caller) -> None:
        self._jobs = jobs
        self._definition = definition
        self._caller = caller
        self._calls = jobs.opened.calls
        self._store = jobs.opened.store
        self._resolver = Resolver(definition, self._store.objects, caller)
        self._updates = Updates(jobs)
        self._groups = definition.groups
        self._bringing = asyncio.Lock()
        self._bringer: OwnedJob | None = None
        self._brought: Brought | Failure | None = None

    async def check(self) -> Checked:
        """Reads all that can be read now, so that what is wrong is told before there is a job.

        Raises:
            Failure: what is wrong; where none of several groups will do, what is wrong with each.
        """
        project, folder = self._definition.reference("project"), None
        branch = self._definition.options["scm_branch"]
        if project is not None:
            await self._calls(self._store.projects.plan, project, branch)
            folder = await self._updates.manual_folder(project)
            if folder is None:
                await self._calls(self._resolver.vaults)
                return await self._check_groups(self._resolver.check_connection)
        elif branch:
            raise Failure(
                "InvalidConfiguration",
                "scm_branch is given, but project is a folder, which has no branches; leave it out, or name a"
                " stored project.",
            )
        if not self._groups:
            return Checked(await self._calls(self._resolver.place, None, folder))
        return await self._check_groups(lambda group: self._resolver.place(group, folder))

    async def _check_groups(self, check: Callable[[int], Place | None]) -> Checked:
        """Finds the groups that a job can run in; the others are passed over from now on."""
        places: dict[int, Place | None] = {}
        failures: dict[str, Failure] = {}
        for number in self._groups:
            called = f"container group {number}"
            try:
                stored = await self._calls(self._store.objects.by_id, "container_group", number)
                called = f"container group {stored.name!r}"
                places[number] = await self._calls(check, number)
            except Failure as failure:
                failures[called] = failure
        if failures and not places:
            raise _none_will_do(list(failures.values()))
        self._groups = tuple(places)
        passed_over = (f"{called} is passed over. {failure.message}" for called, failure in failures.items())
        return Checked(next(iter(places.values()), None), self._groups, tuple(passed_over))

    async def prepare(self, job: OwnedJob, part: Slice = WHOLE) -> Start:
        """Waits for what a job needs, and for room for it.

        Raises:
            Failure: it can't run.
        """
        brought = await self._up_to_date(job, part)
        inventory = await self._inventory(brought, part)
        placed = await wait_for_place(self._jobs, job)
        revision = await self._still_there(brought.revision, job)
        folder = str(revision.folder) if revision is not None else None
        place = await self._calls(self._resolver.place, placed.group_id, folder, inventory)
        await self._calls(
            self._store.keep_launch,
            job.id,
            job.lease,
            namespace=place.launch.namespace if place.connection is not None else "",
            launch=place.launch.to_stored(),
            connection=place.connection.to_stored() if place.connection is not None else None,
            scm_revision=revision.revision if revision is not None else "",
        )
        return self._start(job, place, revision)

    async def resume(self, job: OwnedJob, record: JobRecord, part: Slice = WHOLE) -> Start:
        """Goes on with a job whose owner is gone, from where that one has brought it.

        Raises:
            Failure: it can't be gone on with.
        """
        store = self._store
        try:
            launch = Launch.from_stored(await self._calls(store.launch, record.id))
        except Failure:  # it had no place yet, or a moment ago: nothing of it has begun
            return await self.prepare(job, part)
        if not record.namespace:
            raise Failure(
                "ControllerLost",
                f"It ran without a pod on the controller node {record.controller_node}, and ended with the"
                " process that ran it.",
            )
        connection = Connection.from_stored(await self._calls(store.connection, record.id))
        stream = RunnerStream(record.stored_offset, limits=launch.output_limits)
        while await self._calls(self._read_on, record.id, stream):
            pass  # but others call the store, too: the job's heartbeat is one of them
        taken = TakenOver(record.pod_uid, stream, record.started is not None, record.pod_name)
        revision = None
        if record.scm_revision and (launch.retry_on_node_loss or not taken.started):
            with suppress(Failure):  # only a pod that has not got it yet needs it, and then that is told
                revision = await self._still_there(
                    ProjectRevision(Path(launch.project), record.scm_revision), job
                )
        if revision is not None:
            launch = replace(launch, project=str(revision.folder))
        repeated = any(lost["started"] for lost in record.attempts)
        return self._start(job, Place(launch, connection), revision, taken, repeated)

    def _read_on(self, job_id: int, stream: RunnerStream) -> bool:
        """Has a stream know the next events that are stored; returns whether there may be more."""
        read = 0
        for line in self._store.event_lines(job_id, stream.summary.events):
            stream.know(line)
            read += len(line)
            if read >= KNOWN_AT_ONCE:
                return True
        return False

    async def _up_to_date(self, job: OwnedJob, part: Slice) -> Brought:
        """Has project and inventory updated where they have to be: once for all slices of the job."""
        if self._bringer is not None and self._brought is None:
            await self._updates.also_for(job, self._bringer)
        async with self._bringing:
            if self._brought is None:
                self._bringer = job
                try:
                    self._brought = await self._bring(job, part)
                except Failure as failure:
                    self._brought = failure
        if isinstance(self._brought, Failure):
            raise self._brought
        return self._brought

    async def _bring(self, job: OwnedJob, part: Slice) -> Brought:
        project, inventory = (self._definition.reference(name) for name in ("project", "inventory"))
        revision = None
        if project is not None:
            revision = await self._updates.project(project, self._definition.options["scm_branch"], job)
        if inventory is not None and not self._definition.options.get("module_name"):  # as in AWX: for jobs
            await self._updates.inventory(inventory, job)
        brought = Brought(revision, None)
        if not part.number:
            return brought
        source = await self._source(brought.folder)
        return Brought(revision, await read_inventory(source, await self._reading(brought.folder)))

    async def _still_there(self, revision: ProjectRevision | None, job: OwnedJob) -> ProjectRevision | None:
        """A revision that may have been removed while the job waited for room."""
        project = self._definition.reference("project")
        if project is None or revision is None:
            return revision
        branch = self._definition.options["scm_branch"]
        return await self._updates.revision(project, branch, revision.revision, job)

    async def counts_hosts(self) -> bool:
        """Whether the number of hosts decides where the job may run."""
        return any(group.max_forks for group in await self._calls(self._read_groups, self._groups))

    async def check_size(self, size: int) -> None:
        """Refuses a job, by the size of its largest slice, that would wait for ever.

        Raises:
            Failure: `InvalidConfiguration`, where it is too large for each of its groups.
        """
        failure = never_fits(size, await self._calls(self._read_groups, self._groups))
        if failure is not None:
            raise failure

    def _read_groups(self, numbers: Iterable[int]) -> list[Group]:
        found = [self._store.objects.by_id("container_group", each) for each in numbers]
        return [Group(each.id, each.name, max_forks=int(each.values["max_forks"])) for each in found]

    async def hosts(self, folder: str | None = None) -> tuple[str, ...]:
        """The hosts of the job's inventory, as it is now."""
        source = await self._source(folder)
        return await inventory_hosts(source, await self._reading(folder))

    async def _inventory(self, brought: Brought, part: Slice) -> InventorySource | None:
        """A stored inventory as it is now, of a slice its part of it; None where the option says it all."""
        if brought.inventory is None:
            stored = self._definition.reference("inventory")
            return await self._source(brought.folder) if stored is not None else None
        hosts = slice_hosts(brought.inventory.hosts, part.number, part.count)
        return InventorySource("content", content=pare_inventory(brought.inventory.listing, hosts))

    async def _source(self, folder: str | None) -> InventorySource:
        number = self._definition.reference("inventory")
        if number is None:
            return read_inventory_option(self._definition.options["inventory"], self._caller.folder)
        stored = await self._calls(self._store.objects.by_id, "inventory", number)
        contents = await self._calls(self._store.inventories.contents, number)
        return await launch_inventory(stored.values, contents, await self._reading(folder))

    async def _reading(self, folder: str | None) -> Reading:
        return Reading(
            environment=self._caller.environ,
            folder=folder or "",
            playbook_dir=self._playbook_dir(folder),
            vaults=await self._calls(self._resolver.vaults),
        )

    def _playbook_dir(self, folder: str | None) -> str:
        """Where the playbook lies; "" where there is none, or it is not here yet.

        Variables beside it rank between an inventory's file and its group_vars. So they have to be known
        where an inventory, of a slice for example, is made of another one and has all variables in its file.
        """
        project = self._definition.options["project"]
        if folder is None and isinstance(project, str):
            folder = str(self._caller.folder / os.path.expanduser(project))
        if folder is None or project is None:
            return ""
        found = os.path.dirname(os.path.join(folder, self._definition.options["playbook"]))
        return found if os.path.isdir(found) else ""

    def _start(
        self,
        job: OwnedJob,
        place: Place,
        revision: ProjectRevision | None,
        taken: TakenOver | None = None,
        repeated: bool = False,
    ) -> Start:
        launch = place.launch
        job.owner.phase("starting" if place.connection is None else "creating")

        def payload(unwanted: threading.Event) -> Payload:
            try:
                with revision.held() if revision is not None else nullcontext():
                    return build_payload(launch, str(job.id), unwanted=unwanted)
            except Failure as failure:
                raise failure if taken is None else _not_here(failure) from failure

        reached, marks = self._jobs.reached, Marks(self._store.fingerprint, self._store.mark, self._has_pod)
        request = RunRequest(launch, job.identity, job.lease, payload, taken, repeated, reached, marks)
        if place.connection is None:
            return on_controller(request, self._jobs.folder(job), self._caller.environ)
        if taken is None:
            job.feed.step(f"connection from {place.connection.source}", verbosity=1)
            job.feed.step(f"image {launch.group.image}")
        return in_pod(request, place.connection, self._caller.environ, self._jobs.clients)

    async def _has_pod(self, job_uuid: str, pod_uid: str) -> bool:
        found = await self._calls(self._store.list, uuid=job_uuid, pod_uid=pod_uid, pod_deleted=False)
        return bool(found)


def _not_here(failure: Failure) -> Failure:
    """What to tell of a job that was taken over too early, where its project or inventory is not."""
    return Failure(
        "ControllerLost",
        "The process that ran the job was gone before all of the job was in its pod, and from here that can't"
        f" be sent again: {failure.message}",
        traceback=failure.traceback,
    )


def _none_will_do(failures: list[Failure]) -> Failure:
    """What is wrong with a job's groups, or with what it would run in whichever of them."""
    words = list(dict.fromkeys(failure.message for failure in failures))
    if len(words) == 1:
        return failures[0]
    same = len({failure.reason for failure in failures}) == 1
    return Failure(
        failures[0].reason if same else "InvalidConfiguration",
        f"The job can run in none of its container groups. {' '.join(words)}",
    )


def columns_of(definition: Definition, impact: int, **others: Any) -> dict[str, Any]:
    """What a job's row says of what it is from."""
    return {
        "organization_id": definition.organization,
        "project_id": definition.reference("project"),
        "inventory_id": definition.reference("inventory"),
        "job_template_id": definition.job_template,
        "candidates": list(definition.groups) or None,
        "task_impact": impact,
        "allow_simultaneous": definition.allow_simultaneous,
        **others,
    }
