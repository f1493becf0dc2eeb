# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims a warm pod for a job, and has others take its place.

Idle pods belong to nobody in particular: any controller may claim or delete one, each by a request that
counts only for the version of the pod that it has seen. So of two that want the same, one gets it.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import PATCH_PODS
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_pods import (
    change_pod,
    created,
    delete_version,
    is_allowed,
    list_metadata,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.pod_state import pod_state
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Marks, RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.job.warm_filling import (
    ALIVE,
    IDLE_PODS,
    Filling,
    is_marked,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    LABEL_PREFIX,
    PodIdentity,
    worker_name,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import (
    CLAIMED,
    POOL,
    STATE,
    PoolSpec,
    pool_spec,
)

Document = dict[str, Any]

END_MARGIN = 5
"""Seconds before its end from which on an idle pod is not claimed any more."""
REMOVAL_PAUSES = (0.0, 1.0, 5.0, 30.0)
"""Seconds before each try to delete a pod that the job does not use; then it ends by itself, and is swept."""
REFILL_DELAY = 5.0
"""Seconds after the playbook's start, as long as it runs, in which no pod is made that would slow it down."""
CLOSE_LIMIT = 15.0
"""Seconds that a refill may outlast its job's end."""
RULE = f"Add this rule to a Role in the namespace that is bound to the connection's user: {PATCH_PODS.rule}"


def pool_of(request: RunRequest, client: ClusterClient, progress: Progress) -> WarmPool | None:
    """The pool of the pods that a job's could be; None where its container group asks for none."""
    launch, marks = request.launch, request.marks
    group = launch.group
    if group.warm is None or marks is None:
        return None
    environment = group.execution_environment
    if environment is not None and environment.registry is not None:
        progress.warning(
            "warm_pods of the container group are not used, since the job's execution environment has a"
            " credential: a registry's login is in the cluster only as long as its job's pod"
        )
        return None
    spec = pool_spec(
        group.warm,
        cluster=client.connection.host,
        namespace=launch.namespace,
        override=group.pod_spec_override,
        execution_environment=environment,
        store=marks.store,
    )
    return WarmPool(client, spec, request.identity, marks, progress)


class WarmPool:
    """One job's way to a pool of warm pods. Whatever fails here is told; the job gets a new pod then.

    Attributes:
        answered: the API server has.
    """

    def __init__(
        self,
        client: ClusterClient,
        spec: PoolSpec,
        identity: PodIdentity,
        marks: Marks,
        progress: Progress,
    ) -> None:
        """Gets ready.

        Args:
            client: the cluster.
            spec: the pool.
            identity: whose labels a claimed pod gets.
            marks: how the pool's pods are known.
            progress: told what fails.
        """
        self.answered = False
        self._client = client
        self._spec = spec
        self._identity = identity
        self._marks = marks
        self._progress = progress
        self._filling = Filling(client, spec, marks)
        self._worker = worker_name(spec.manifest(""))
        self._refused = False  # the user may not change pods
        self._claimed = False  # a pod, which is then missing
        self._due = False
        self._refilling: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._removing: list[asyncio.Task[None]] = []

    # -- claiming --

    async def claim(self, deadline: int | None, owner: Mapping[str, Any] | None) -> Document | None:
        """Makes an idle pod the job's; it keeps its name.

        Args:
            deadline: seconds from now on for `activeDeadlineSeconds`; None leaves it to the pod's spec.
            owner: a further entry of its `ownerReferences`.

        Returns:
            The pod, whose container runs; None where there is none that can be had.
        """
        if self._refused:
            return None
        try:
            found, now = await self._list(IDLE_PODS, "status.phase=Running")
            self.answered = True
            ready = [each for each in found if self._is_ready(each, now)]
            random.shuffle(ready)  # so that many who come at once don't all want the same
            for metadata in ready:
                age = math.ceil(max(0.0, now - created(metadata)))
                limit = self._spec.active_deadline if deadline is None else deadline
                pod = await self._claim_one(metadata, None if limit is None else age + limit, owner)
                if pod is not None:
                    self._claimed = True
                    return pod
        except (Failure, Unreachable) as exc:
            self._tell(exc, "no warm pod could be claimed, so the job gets a new one")
        else:
            self._asking = self._asking or asyncio.create_task(self._ask_rights())
        return None

    async def _ask_rights(self) -> None:
        """Tells, while there is time for it, whether pods that are made could ever be claimed."""
        namespace = self._spec.namespace
        try:
            if not await is_allowed(self._client, PATCH_PODS, namespace):
                words = f'The connection\'s user may not patch pods in the namespace "{namespace}".'
                raise Failure("Forbidden", words, details={"verb": PATCH_PODS.verb})
        except (Failure, Unreachable) as exc:
            self._tell(exc, "the container group's warm pods can't be used")

    async def find(self) -> Document | None:
        """The pod that an earlier owner of the job has claimed and not lived to note.

        Raises:
            Failure: the API server refuses to tell; or `Unreachable`: it does not answer.
        """
        labels = self._identity.labels
        names = (f"{LABEL_PREFIX}job-uuid", f"{LABEL_PREFIX}attempt")
        found, _now = await self._list(",".join(f"{name}={labels[name]}" for name in names), ALIVE)
        for metadata in found:
            if not metadata.get("deletionTimestamp") and is_marked(metadata, self._marks):
                return await self._client.get_pod(self._spec.namespace, metadata["name"])
        return None

    async def _list(self, labels: str, fields: str) -> tuple[list[Document], float]:
        """Pods of the pool."""
        selector = f"{POOL}={self._spec.pool},{labels}"
        return await list_metadata(self._client, self._spec.namespace, selector, fields)

    def _is_ready(self, metadata: Document, now: float) -> bool:
        """Whether an idle pod that runs is ours, and will run for a while."""
        left = self._spec.warm.ttl - (now - created(metadata))
        known = is_marked(metadata, self._marks)
        return not metadata.get("deletionTimestamp") and left > END_MARGIN and known

    async def _claim_one(
        self, metadata: Document, deadline: int | None, owner: Mapping[str, Any] | None
    ) -> Document | None:
        """The pod, as the job's; None where somebody was quicker, or it is of no use."""
        changed: Document = {
            "resourceVersion": metadata["resourceVersion"],
            "labels": {**self._identity.labels, STATE: CLAIMED},
            "annotations": dict(self._spec.unmovable),
        }
        if owner is not None:
            changed["ownerReferences"] = [*(metadata.get("ownerReferences") or ()), dict(owner)]
        patch: Document = {"metadata": changed}
        if deadline is not None:
            patch["spec"] = {"activeDeadlineSeconds": deadline}
        sent = self._client.requests
        try:
            pod = await change_pod(self._client, self._spec.namespace, metadata["name"], patch)
        except Unreachable as exc:
            if not exc.unsent:
                self._remove_later(metadata, unheard=True)
            raise
        if pod is None and self._client.requests - sent > 1:  # it was sent again: whose version is it now?
            pod = await self._own(metadata)
        if pod is not None and not self._is_of_use(pod):
            self.discard(metadata)
            return None
        return pod

    async def _own(self, metadata: Document) -> Document | None:
        """A pod, if it is the job's."""
        pod = await self._client.get_pod(self._spec.namespace, metadata["name"])
        if pod is None or pod["metadata"]["uid"] != metadata["uid"]:
            return None
        labels = pod["metadata"].get("labels") or {}
        return pod if self._identity.labels.items() <= labels.items() else None

    def _is_of_use(self, pod: Document) -> bool:
        """Whether its first container still runs."""
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        restarted = any(each.get("restartCount") for each in statuses)
        return not restarted and pod_state(pod, self._worker).container == "running"

    def discard(self, metadata: Document) -> None:
        """Begins to delete a claimed pod that the job does not use."""
        self._remove_later(metadata, unheard=False)

    def _remove_later(self, metadata: Document, *, unheard: bool) -> None:
        self._removing.append(asyncio.create_task(self._remove(metadata, unheard=unheard)))

    async def _remove(self, metadata: Document, *, unheard: bool) -> None:
        """Deletes a pod of the job's.

        Args:
            metadata: the pod's.
            unheard: nobody knows whether the claim of this version has come to something, or still will.
        """
        namespace, name = self._spec.namespace, metadata["name"]
        for pause in REMOVAL_PAUSES:
            await asyncio.sleep(pause)
            with suppress(Failure, Unreachable):
                if unheard and await delete_version(self._client, namespace, metadata):
                    return  # before the claim, which finds nothing then; else it has come to what it could
                if await self._own(metadata) is None or await self._is_noted(metadata):
                    return
                await self._client.delete_pod(namespace, name, uid=metadata["uid"], grace=0)
                return

    async def _is_noted(self, metadata: Document) -> bool:
        """Whether the job has a pod all the same: another owner, who has taken the job over, has found it."""
        return await self._marks.has(self._identity.job_uuid, metadata["uid"])

    # -- refilling --

    def due(self) -> None:
        """Says that the job has a pod: the pool is to be full when it ends, at the latest."""
        self._due = True

    def refill(self) -> None:
        """Begins to fill the pool, where that is due, and takes what is too old or too much away."""
        if self._due and self._refilling is None and not self._refused:
            self._refilling = asyncio.create_task(self._refill())

    async def close(self) -> None:
        """Ends what is still to be done, within `CLOSE_LIMIT`."""
        self._closing.set()
        self.refill()
        behind = (self._asking, self._refilling)
        tasks = [*self._removing, *(each for each in behind if each is not None)]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=CLOSE_LIMIT)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refill(self) -> None:
        if self._asking is not None:
            await self._asking
        if self._refused:
            return
        with suppress(asyncio.TimeoutError):
            await within(REFILL_DELAY, self._closing.wait())
        try:
            await self._filling.fill(replace=self._claimed)
        except (Failure, Unreachable) as exc:
            self._tell(exc, "the container group's warm pods can't be made")

    def _tell(self, error: Failure | Unreachable, what: str) -> None:
        failure = error.failure if isinstance(error, Unreachable) else error
        if failure.reason == "QuotaExceeded" or isinstance(error, Unreachable):  # jobs go before them
            self._progress.step(f"{what}: {failure.message}", verbosity=1)
            return
        hint = ""
        if failure.reason == "Forbidden":
            self._refused = True
            hint = f" {RULE}" if failure.details.get("verb") == PATCH_PODS.verb else ""
        self._progress.warning(f"{what}: {failure.message}{hint}")


async def make_room(client: ClusterClient, namespace: str) -> int:
    """Deletes the idle warm pods of a namespace, of whatever pool; returns how many."""
    removed = 0
    with suppress(Failure, Unreachable):  # then the job waits, as it would without them
        for metadata in (await list_metadata(client, namespace, IDLE_PODS))[0]:
            removed += await delete_version(client, namespace, metadata)
    return removed
