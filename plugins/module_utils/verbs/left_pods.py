# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of ended jobs that could not be deleted at the time: deletes them, and says why they are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import this_process
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.pull_secret import find_secret
from ansible_collections.jobpods.controller.plugins.module_utils.job.removal import remove_pod, remove_secret
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import pull_secret_name
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import POD_SILENCE
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.resolution import Caller

ANSWER_LIMIT = 10.0
"""Seconds that the cluster may take to say whether a pod is there."""
REMOVAL_LIMIT = 300.0
"""Seconds for which the deletion of a pod is tried; the next verb that finds it tries again."""
GRACE = 5
"""Seconds that what may still run in such a pod gets to stop."""


async def remove_left_pods(opened: OpenStore, records: Sequence[JobRecord]) -> None:
    """Deletes the pods of these jobs, and their image pull secrets; those that can't be stay for later.

    Args:
        opened: the store.
        records: jobs that have ended.
    """
    await asyncio.gather(*(_remove(opened, record) for record in records))


async def _remove(opened: OpenStore, record: JobRecord) -> None:
    store, calls = opened.store, opened.calls
    try:
        if not await calls(store.claim_pod, record.id, this_process(), POD_SILENCE):
            return  # somebody else does it
        async with _cluster(opened, record) as client:
            gone = await remove_pod(
                client,
                record.namespace,
                record.pod_name,
                record.pod_uid or None,
                grace=GRACE,
                limit=REMOVAL_LIMIT,
                trouble=_ignore,
            )
            if gone:
                await _remove_secret(client, record)
                await calls(store.pod_removed, record.id)
    except (Failure, Unreachable):
        return  # as long as the row says that there is a pod, it is tried again


@asynccontextmanager
async def _cluster(opened: OpenStore, record: JobRecord) -> AsyncIterator[ClusterClient]:
    """The cluster of a job, by what the store keeps as long as its pod is there."""
    connection = Connection.from_stored(await opened.calls(opened.store.connection, record.id))
    caller = Caller.from_stored(await opened.calls(opened.store.caller, record.id))
    async with ClusterClient(connection, environ=caller.environ) as client:
        yield client


async def _remove_secret(client: ClusterClient, record: JobRecord) -> None:
    name = pull_secret_name(record.pod_name)
    try:
        uid = await find_secret(client, record.namespace, name, record.uuid)
    except Failure as failure:
        if failure.reason == "Forbidden":  # then the job could not make one
            return
        raise
    if uid is not None:
        await remove_secret(client, record.namespace, name, uid, limit=REMOVAL_LIMIT, trouble=_ignore)


async def why_there(opened: OpenStore, record: JobRecord) -> str:
    """What the cluster says of a job's pod now, as a sentence.

    Args:
        opened: the store, which has the connection.
        record: the job.
    """
    try:
        async with _cluster(opened, record) as client:
            pod = await within(ANSWER_LIMIT, client.get_pod(record.namespace, record.pod_name))
    except Unreachable as exc:
        return f"The cluster could not be reached: {exc}"
    except asyncio.TimeoutError:
        return f"The cluster could not be reached: it gave no answer within {ANSWER_LIMIT:.0f} s."
    except Failure as failure:
        return failure.message
    there = pod is not None and record.pod_uid in ("", pod["metadata"]["uid"])
    return "The cluster still has it." if there else "It is gone now, which nobody has noted yet."


def _ignore(_trouble: str) -> None:
    """Nobody listens, and it is tried again."""
