# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb cleanup_pods: lists the pods of jobs in a namespace, and deletes those that belong to nobody."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import timestamp
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_pods import (
    delete_version,
    list_whole,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import one_line, plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import MAX_SECONDS
from ansible_collections.jobpods.controller.plugins.module_utils.job.pull_secret import find_secret
from ansible_collections.jobpods.controller.plugins.module_utils.job.removal import remove_pod, remove_secret
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import MANAGED_BY, pull_secret_name
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.cluster_target import (
    Target,
    own_target,
    stored_option,
    stored_target,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.found_pod import (
    LEFT,
    UNKNOWN,
    FoundPod,
    Judgement,
    judge,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import OpenStore, open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

KEEP, DELETE_ENDED, DELETE = "keep", "delete_ended", "delete"
SELECTOR = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())
AT_ONCE = 10
"""Pods that are deleted side by side."""
GRACE = 5
"""Seconds that what may still run in a pod gets to stop."""
REMOVAL_LIMIT = 60.0
"""Seconds for which the deletion of a pod is waited for."""


@dataclass
class Seen:
    """A pod, what it is, and what is done with it.

    Attributes:
        pod: the pod.
        record: its job, where the store has it.
        judgement: what it is.
        deleted: it was, or in check mode would be, deleted.
        error: why it could not be.
    """

    pod: FoundPod
    record: JobRecord | None
    judgement: Judgement
    deleted: bool = False
    error: str = ""

    def as_result(self, namespace: str, now: float) -> dict[str, Any]:
        """What the result says of it."""
        pod, record, judgement = self.pod, self.record, self.judgement
        number = int(pod.job_id) if pod.job_id.isdecimal() else None
        return {
            "pod_name": pod.name,
            "namespace": namespace,
            "execution_node": pod.node,
            "phase": pod.phase,
            "created": timestamp(datetime.fromtimestamp(pod.created, timezone.utc)),
            "age": max(0, int(now - pod.created)),
            "controller_node": pod.controller,
            "job_id": number if record is None else record.id,
            "job_name": None if record is None else plain_text(record.name),
            "job_status": None if record is None else record.status,
            "state": judgement.state,
            "orphan": judgement.orphan,
            "why": judgement.why,
            "until": None if judgement.until is None else timestamp(judgement.until),
            "deleted": self.deleted,
            "error": self.error,
        }


async def cleanup_pods(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Lists the pods of a namespace that have our labels, and deletes those that are asked for."""
    older_than = int(request.params["older_than"])
    if not 0 <= older_than <= MAX_SECONDS:
        raise _invalid(f"older_than is {older_than}; it must be from 0 to {MAX_SECONDS} (seconds).")
    leaving = asyncio.create_task(launcher.gone())
    try:
        # What this store has left is deleted here; an adopter would do the same beside it.
        async with open_store(request, feed, adopts=False) as opened:
            target = await _target(request, opened)
            feed.step(f"connection from {target.connection.source}", verbosity=1)
            async with ClusterClient(target.connection, environ=request.environ) as client:
                found, now = await _look(client, target.namespace, opened)
                chosen = [each for each in found if _is_chosen(each, now, request.params)]
                cleanup = _Cleanup(client, target.namespace, opened, feed, dry_run=request.check)
                await cleanup.delete(chosen, leaving)
            await opened.see_to_orphans(request)
    except Unreachable as trouble:
        raise trouble.failure from trouble
    finally:
        leaving.cancel()
    return {
        "changed": any(each.deleted for each in found),
        "failed": any(each.error for each in found),
        "msg": _sentence(found, target.namespace, check=request.check),
        "pods": [each.as_result(target.namespace, now) for each in found],
        "host": target.connection.host,
        "namespace": target.namespace,
    }


async def _target(request: Request, opened: OpenStore) -> Target:
    option = stored_option(request.params)
    if option is None:
        return own_target(request)
    return await opened.calls(stored_target, request, opened.store.objects, option)


async def _look(client: ClusterClient, namespace: str, opened: OpenStore) -> tuple[list[Seen], float]:
    """The pods of a namespace, the oldest first, and the API server's time."""
    documents, now = await list_whole(client, namespace, SELECTOR)
    pods = sorted(map(FoundPod.of, documents), key=lambda pod: (pod.created, pod.name))
    return await opened.calls(_judged, opened.store, pods, now), now


def _judged(store: JobStore, pods: Sequence[FoundPod], now: float) -> list[Seen]:
    seen = []
    for pod in pods:
        record = next(iter(store.list(uuid=pod.job_uuid)), None) if pod.job_uuid else None
        text, mark = pod.mark
        seen.append(Seen(pod, record, judge(pod, record, now, ours=mark == store.mark(text))))
    return seen


def _is_chosen(seen: Seen, now: float, params: Mapping[str, Any]) -> bool:
    """Whether a pod is to be deleted: it belongs to nobody, or is of an unknown job and that is asked for."""
    if seen.judgement.state != UNKNOWN:
        return seen.judgement.state == LEFT
    asked = params["unknown_jobs"]
    wanted = asked == DELETE or (asked == DELETE_ENDED and seen.pod.has_ended)
    return wanted and now - seen.pod.created >= params["older_than"]


class _Cleanup:
    def __init__(
        self, client: ClusterClient, namespace: str, opened: OpenStore, feed: LauncherFeed, *, dry_run: bool
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._opened = opened
        self._feed = feed
        self._dry_run = dry_run

    async def delete(self, chosen: Sequence[Seen], leaving: asyncio.Task[str]) -> None:
        """Deletes pods; begins with no more of them once the launcher is gone."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(seen: Seen) -> None:
            async with room:
                if not leaving.done():
                    await self._delete(seen)

        await asyncio.gather(*map(one, chosen))

    async def _delete(self, seen: Seen) -> None:
        if self._dry_run:
            seen.deleted = True
            self._feed.step(f"pod {seen.pod.name} would be deleted: {seen.judgement.why}")
            return
        try:
            seen.deleted = await self._gone(seen)
            if not seen.pod.idle and not seen.error:
                await self._forget(seen)
        except (Failure, Unreachable) as exc:
            seen.error = plain_text(str(exc))
        if seen.error:
            self._feed.warning(f"pod {seen.pod.name}: {seen.error}")
        if seen.deleted:
            self._feed.step(f"pod {seen.pod.name} deleted: {seen.judgement.why}")

    async def _gone(self, seen: Seen) -> bool:
        """Deletes a pod until it is gone; returns whether it was there to be deleted."""
        pod, client, namespace = seen.pod, self._client, self._namespace
        if pod.idle:  # only as it was seen, since jobs claim such pods
            return await delete_version(client, namespace, pod.metadata)
        name = pod.metadata["name"]
        # Where that is refused, it is said at once; to insist is for who can't ask the user.
        asked = await client.delete_pod(namespace, name, uid=pod.uid, grace=GRACE)
        gone = await remove_pod(
            client, namespace, name, pod.uid, grace=GRACE, limit=REMOVAL_LIMIT, trouble=_ignore
        )
        if not gone:
            seen.error = f"Its deletion was asked for, but it is still there after {REMOVAL_LIMIT:.0f} s."
        return gone and asked

    async def _forget(self, seen: Seen) -> None:
        """Deletes the image pull secret of a pod that is gone, and has the store know."""
        pod, record = seen.pod, seen.record
        if pod.job_uuid:
            name = pull_secret_name(pod.metadata["name"])
            try:
                uid = await find_secret(self._client, self._namespace, name, pod.job_uuid)
            except Failure as failure:
                if failure.reason != "Forbidden":
                    raise
                uid = None  # then the job could not make one
            if uid is not None:
                await remove_secret(
                    self._client, self._namespace, name, uid, limit=REMOVAL_LIMIT, trouble=_ignore
                )
        if record is not None and pod.uid == record.pod_uid:
            await self._opened.calls(self._opened.store.pod_removed, record.id)


def _ignore(_trouble: str) -> None:
    """What is in the way at last is in the result."""


def _sentence(found: Sequence[Seen], namespace: str, *, check: bool) -> str:
    """What there is, and what was done."""
    if not found:
        return f'There are no pods of jobs in the namespace "{namespace}".'
    states = Counter(each.judgement.state for each in found)
    left, unknown = states[LEFT], states[UNKNOWN]
    parts = [
        f'{_several(len(found), "pod")} of jobs in the namespace "{namespace}":'
        f" {_several(left, 'orphan')}, and {unknown} of jobs that this store does not know"
    ]
    deleted = sum(each.deleted for each in found)
    done = "would be" if check else ("was" if deleted == 1 else "were")
    parts.append(f"{deleted} {done} deleted")
    failed = [each for each in found if each.error]
    if failed:
        parts.append(
            f"{len(failed)} could not be: {failed[0].pod.name}: {one_line(failed[0].error, 1000).rstrip('.')}"
        )
    return f"{'; '.join(parts)}."


def _several(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)


VERBS: dict[str, Verb] = {"cleanup_pods": cleanup_pods}
