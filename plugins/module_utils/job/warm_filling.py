# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has as many warm pods wait in a pool as there shall be, beside others that see to the same.

Nobody keeps others out: who has made some counts again, and of what is too much, all delete the same.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import AlreadyExists
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_pods import (
    change_pod,
    created,
    delete_version,
    list_metadata,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Marks
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import LABEL_PREFIX
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import (
    CLAIMED,
    GROUP,
    IDLE,
    MARK,
    POOL,
    REVISION,
    STATE,
    PoolSpec,
    marked,
)

Document = dict[str, Any]

UNMARKED_LIMIT = 30.0
"""Seconds for which an idle pod may lack the mark: whoever makes it gives it in the next moment."""
ROUNDS = 10
"""How often the pods are counted until it is left to the next job."""
PAUSE = (0.1, 0.6)
"""Seconds before each count, at random from the one to the other: of many, few count at the same moment."""
ALIVE = "status.phase!=Failed,status.phase!=Succeeded"
ENDED = "status.phase!=Running,status.phase!=Pending"
IDLE_PODS = f"{STATE}={IDLE}"


class Filling:
    """Makes and deletes the idle pods of one pool. It raises whatever the API server has against it."""

    def __init__(self, client: ClusterClient, spec: PoolSpec, marks: Marks) -> None:
        """Gets ready.

        Args:
            client: the cluster.
            spec: the pool.
            marks: how the store's pods are known.
        """
        self._client = client
        self._spec = spec
        self._marks = marks
        self._left = spec.warm.count  # to be made: pods that end at once must not be made for ever

    async def fill(self, *, replace: bool) -> None:
        """Makes what is missing, and deletes what is too old, too much, or of no use any more.

        Args:
            replace: a pod was claimed, so that one is missing, whatever others make of it.
        """
        await self._sweep()
        if replace:
            await self._make()
        for _round in range(ROUNDS):
            await asyncio.sleep(random.uniform(*PAUSE))  # noqa: S311 - no secret
            if await self._is_full():
                return

    async def _sweep(self) -> None:
        """Deletes pods that have ended and that nobody will: what is left of them is there until then."""
        for metadata in await self._list(STATE, ENDED):
            if metadata["labels"][STATE] == IDLE or await self._is_forgotten(metadata):
                await delete_version(self._client, self._spec.namespace, metadata)

    async def _is_forgotten(self, metadata: Document) -> bool:
        """Whether a pod was claimed for a job that never came to know, or does not need it any more."""
        labels = metadata["labels"]
        if labels[STATE] != CLAIMED or not is_marked(metadata, self._marks):
            return False
        return not await self._marks.has(labels.get(f"{LABEL_PREFIX}job-uuid", ""), metadata["uid"])

    async def _is_full(self) -> bool:
        """Counts, and deletes what is too much; False where some were missing, which are made then."""
        found, now = await list_metadata(self._client, self._spec.namespace, POOL, ALIVE)
        idle = [each for each in found if _is_idle(each)]
        ours = sorted((each for each in idle if self._counts(each, now)), key=_age_order)
        for metadata in (
            *ours[self._spec.warm.count :],
            *(each for each in idle if self._is_waste(each, now)),
        ):
            await delete_version(self._client, self._spec.namespace, metadata)
        missing = min(self._spec.warm.count - len(ours), self._left)
        for _each in range(missing):
            await self._make()
        return missing <= 0

    def _counts(self, metadata: Document, now: float) -> bool:
        """Whether an idle pod is one of the pool's."""
        age = now - created(metadata)
        known = is_marked(metadata, self._marks) or age < UNMARKED_LIMIT
        return metadata["labels"][POOL] == self._spec.pool and age < self._spec.warm.ttl and known

    def _is_waste(self, metadata: Document, now: float) -> bool:
        """Whether nobody will claim an idle pod any more: its time is over, or its group says another one."""
        labels = metadata["labels"]
        if labels[POOL] == self._spec.pool:
            return not self._counts(metadata, now)
        same_group = bool(self._spec.group) and labels.get(GROUP) == self._spec.group
        return same_group and labels.get(REVISION) != self._spec.revision

    async def _make(self) -> None:
        """Makes an idle pod."""
        namespace, name = self._spec.namespace, self._spec.name()
        try:
            pod = await self._client.create_pod(self._spec.manifest(name))
        except AlreadyExists:  # by an earlier try, whose answer was lost: nobody can tell that it is that one
            await self._client.delete_pod(namespace, name, uid=None, grace=0)
            return
        self._left -= 1
        uid = str(pod["metadata"]["uid"])
        mark = {MARK: self._marks.mark(marked(uid, self._spec.pool))}
        try:
            await change_pod(self._client, namespace, name, {"metadata": {"annotations": mark}})
        except Failure:
            await self._client.delete_pod(namespace, name, uid=uid, grace=0)
            raise

    async def _list(self, labels: str, fields: str) -> list[Document]:
        return (await list_metadata(self._client, self._spec.namespace, labels, fields))[0]


def is_marked(metadata: Document, marks: Marks) -> bool:
    """Whether a warm pod was made by who has the store's key."""
    mark = (metadata.get("annotations") or {}).get(MARK)
    pool = (metadata.get("labels") or {}).get(POOL, "")
    return bool(mark) and mark == marks.mark(marked(metadata["uid"], pool))


def _is_idle(metadata: Document) -> bool:
    return metadata["labels"].get(STATE) == IDLE and not metadata.get("deletionTimestamp")


def _age_order(metadata: Document) -> tuple[float, str]:
    """The oldest first, and the same for all who count: of what is too much, the newest go."""
    return created(metadata), str(metadata["uid"])
