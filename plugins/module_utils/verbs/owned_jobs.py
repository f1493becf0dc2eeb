# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that one job process owns: their rows, their leases, their owners, and what the launcher hears."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_clients import SharedClients
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import this_process
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import Pending
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import (
    JobRecord,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.owner import JobOwner
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import refusal
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PROCESS, PodIdentity
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import JobFeed, LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import OWNER_SILENCE
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.waiting_line import WaitingLine


@dataclass(frozen=True)
class Order:
    """A job to be made.

    Attributes:
        type: of unified job.
        name: for people.
        request: what was asked for, to launch it again.
        columns: others of its row.
        wait: its launcher waits for it.
        caller: who launches, as `Caller.to_stored` says it; None where nobody else could go on with the job.
    """

    type: str
    name: str
    request: dict[str, Any] = field(repr=False)
    columns: Mapping[str, Any] = field(default_factory=dict)
    wait: bool = True
    caller: dict[str, Any] | None = field(default=None, repr=False)


class OwnedJob:
    """One job that is owned here.

    Attributes:
        id: its number.
        name: what it is called.
        lease: the fencing number of its owner.
        identity: names its pod.
        feed: tells the launcher about it.
        owner: runs it.
        finished: set when its row has its final status, or can't get it.
        task: goes on until its pod is gone, too.
    """

    def __init__(self, name: str, lease: int, identity: PodIdentity, feed: JobFeed) -> None:
        self.id = identity.job_id
        self.name = name
        self.lease = lease
        self.identity = identity
        self.feed = feed
        self.finished = asyncio.Event()
        self.owner: JobOwner
        self.task: asyncio.Task[None]

    async def ended(self) -> None:
        """Waits for the job's end; that its owner gave up is one, too."""
        waiting = asyncio.create_task(self.finished.wait())
        try:
            await asyncio.wait((self.task, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self.feed.all_stored = True

    @property
    def trouble(self) -> Failure | None:
        """Why its row could not get its final status, where it could not."""
        error = self.task.exception() if self.task.done() and not self.task.cancelled() else None
        return self.owner.unfinished if error is None else Failure.of(error)


def _cancel_made(making: asyncio.Task[OwnedJob]) -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().owner.cancel("Canceled because what needed it is.")


def _start_of(taken: JobRecord) -> list[dict[str, Any]]:
    """The story of a job's start, as far as its owner has stored it."""
    return taken.start or [{"phase": "queued", "at": taken.created.timestamp()}]


Prepare = Callable[[OwnedJob], Awaitable[Start]]
"""Waits for what a job needs, room for it included; says what it does then."""


class OwnedJobs:
    """All jobs of one process.

    Attributes:
        request: of the process' launcher.
        opened: the store.
        feed: to the launcher.
        line: of those of them that wait for a place.
        reached: addresses of the API servers that have made a pod for one of them.
        clients: of clusters, which they share.
    """

    def __init__(self, request: Request, opened: OpenStore, feed: LauncherFeed) -> None:
        self.request = request
        self.opened = opened
        self.feed = feed
        self.line = WaitingLine(self._look)
        self.reached: set[str] = set()
        self._process = uuid.uuid4().hex
        self.clients = SharedClients(f"{PROCESS}={self._process}")
        self._begun = time.monotonic()
        self._owned: list[OwnedJob] = []
        self._making: set[asyncio.Task[OwnedJob]] = set()
        self._ending: Callable[[JobOwner], None] | None = None

    @property
    def time_left(self) -> float:
        """Seconds that are left of the launcher's limit, which its request has."""
        return max(0.0, self.request.limit - (time.monotonic() - self._begun))

    async def start(self, order: Order, prepare: Prepare, *, child: bool = False) -> OwnedJob:
        """Makes a job and begins with it; it is owned until its pod is gone.

        Args:
            order: what job.
            prepare: waits for what it needs.
            child: it is one of several that run at once for another one.

        Where this is cancelled, so is the job; it has ended then.
        """
        return await self._insist(self._make(order, prepare, child))

    async def adopt(
        self, record: JobRecord, prepare: Prepare, *, child: bool = False, shown: int | None = None
    ) -> OwnedJob:
        """Takes a job over whose owner is gone, and goes on with it.

        Args:
            record: the job, as it was found.
            prepare: waits for what it still needs.
            child: it is one of several that run at once for another one.
            shown: the launcher has seen its output up to this event; None where it is to see none of it.

        Raises:
            LeaseLost: it has ended, or somebody else was quicker.
        """
        return await self._insist(self._take(record, prepare, child, shown))

    async def _insist(self, made: Coroutine[Any, Any, OwnedJob]) -> OwnedJob:
        making = asyncio.create_task(made)
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:  # its row may be there, which must not stay without an owner
            making.add_done_callback(_cancel_made)
            await asyncio.wait((making,))
            if making.exception() is None:
                await making.result().ended()
            raise

    async def _make(self, order: Order, prepare: Prepare, child: bool) -> OwnedJob:
        store, calls = self.opened.store, self.opened.calls
        row = NewJob(
            uuid=uuid.uuid4().hex,
            type=order.type,
            name=order.name,
            wait=order.wait,
            controller_node=self.request.controller_node,
            request=order.request,
            caller=order.caller,
            columns={"launched_by": self.request.launched_by, **order.columns},
        )
        job_id = await calls(store.create, row)
        lease = await calls(store.claim, job_id, this_process())
        identity = PodIdentity(job_id, row.uuid, 1, self.request.controller_node, self._process)
        return self._own(order.name, lease, identity, prepare, child=child)

    async def _take(self, record: JobRecord, prepare: Prepare, child: bool, shown: int | None) -> OwnedJob:
        node = self.request.controller_node
        lease = await self.opened.calls(
            self.opened.store.claim, record.id, this_process(), known=record.lease, controller_node=node
        )
        # Its owner may have gone on with it till now.
        record = await self.opened.calls(self.opened.store.get, record.id)
        identity = PodIdentity(record.id, record.uuid, len(record.attempts) + 1, node, self._process)
        job = self._own(record.name, lease, identity, prepare, child=child, taken=record)
        if shown is not None:
            job.feed.catch_up(shown, record.event_count)
        return job

    def _own(
        self,
        name: str,
        lease: int,
        identity: PodIdentity,
        prepare: Prepare,
        *,
        child: bool,
        taken: JobRecord | None = None,
    ) -> OwnedJob:
        job_id = identity.job_id
        feed = self.feed.job(
            job_id, name, lambda counter: self.opened.events_after(job_id, counter), child=child
        )
        job = OwnedJob(name, lease, identity, feed)
        job.owner = JobOwner(
            job_id,
            lease,
            lambda: prepare(job),
            self.opened.store,
            self.opened.calls,
            feed,
            taken.event_count if taken is not None else 0,
            begun=taken is not None and (bool(taken.namespace) or taken.status == "running"),
            start=_start_of(taken) if taken is not None else (),
        )
        job.task = asyncio.create_task(job.owner.own(job.finished))
        job.task.add_done_callback(lambda task: self._forget(job))
        self._owned.append(job)
        if self._ending is not None:
            self._ending(job.owner)
        return job

    async def _look(self, leases: Mapping[int, int]) -> Mapping[int, Pending]:
        return await self.opened.calls(self.opened.store.look, leases, OWNER_SILENCE)

    def _forget(self, job: OwnedJob) -> None:
        """Lets go of a job that is over: the process may have many more."""
        job.feed.all_stored = True
        self._owned.remove(job)

    def cancel(self, why: str) -> None:
        """Cancels all of them, and those that come yet."""
        self._end(lambda owner: owner.cancel(why))

    def leave(self) -> None:
        """Leaves all of them as they are, and those that come yet, for whoever adopts them."""
        self._end(JobOwner.leave)

    def _end(self, ending: Callable[[JobOwner], None]) -> None:
        self._ending = ending
        for job in self._owned:
            ending(job.owner)

    async def record(self, job: OwnedJob) -> JobRecord:
        """A job's row."""
        return await self.opened.calls(self.opened.store.get, job.id)

    def refusal(self, job: OwnedJob, trouble: Failure) -> dict[str, Any]:
        """The result where the store can't give one: what is in the way, and of which job."""
        result = refusal(trouble, name=job.name, controller_node=self.request.controller_node)
        result["changed"] = True  # as far as can be known
        result["id"] = result["job"]["id"] = job.id
        return result

    def folder(self, job: OwnedJob) -> Path:
        """Where a job's files lie."""
        return self.opened.options.job_folder(job.id, job.identity.job_uuid)

    async def close(self) -> None:
        """Waits for the last pod to be gone."""
        while unsettled := {*self._making, *(job.task for job in self._owned if not job.task.done())}:
            await asyncio.gather(*unsettled, return_exceptions=True)
        await self.feed.flush()
