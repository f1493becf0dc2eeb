# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes what a job has in the cluster, and doesn't stop before the API server says that it is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

FORCE_MARGIN = 5
"""Seconds beyond its grace after which a pod that is still there is deleted by force."""
APPEARANCE_LIMIT = 60.0
"""Seconds for which a pod may still appear whose create got no answer."""
REFUSAL_LIMIT = 60.0
"""Seconds for which the API server may refuse, as it does for a while after its own start."""
LOOK_INTERVAL = 0.3
LOOK_SHARE = 0.2
LONGEST_LOOK_INTERVAL = 10.0
"""Seconds between two looks: at first the shortest, then a share of the time waited, at last the longest."""
BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0)


async def remove_pod(
    client: ClusterClient,
    namespace: str,
    name: str,
    uid: str | None,
    *,
    grace: int,
    limit: float,
    trouble: Callable[[str], None],
) -> bool:
    """Deletes a pod until it is gone.

    Args:
        client: the cluster.
        namespace: the pod's.
        name: the pod's.
        uid: the pod's; a namesake is left alone. None where the create's answer never came: then the pod may
            appear a while later.
        grace: seconds the pod gets to stop, from the moment on in which the API server takes the deletion; 0
            takes it away at once, for runs that have reported their end.
        limit: seconds after which to give up.
        trouble: told once what stands in the way.

    Returns:
        Whether the pod is gone; False where the limit was reached.

    Raises:
        Failure: the API server refuses, for example `Forbidden`, for longer than `REFUSAL_LIMIT`.
    """
    deletion = _Deletion(client, namespace, name, uid, grace)
    return await _insist(deletion, f"pod {name}", limit, trouble)


async def remove_secret(
    client: ClusterClient,
    namespace: str,
    name: str,
    uid: str | None,
    *,
    limit: float,
    trouble: Callable[[str], None],
) -> bool:
    """Deletes a secret until it is gone; arguments, result and failures are those of `remove_pod`."""
    deletion = _SecretDeletion(client, namespace, name, uid)
    return await _insist(deletion, f"secret {name}", limit, trouble)


class _Advancing(Protocol):
    async def advance(self) -> bool:
        """Asks for the deletion, or looks how far it is; returns whether the object is gone."""

    def pause(self) -> float:
        """Seconds until the next look."""


async def _insist(deletion: _Advancing, what: str, limit: float, trouble: Callable[[str], None]) -> bool:
    start = time.monotonic()
    refused_since: float | None = None
    tries, told = 0, False
    while True:
        try:
            if await deletion.advance():
                return True
            tries, refused_since = 0, None
            pause = deletion.pause()
        except (Failure, Unreachable) as exc:
            if isinstance(exc, Failure):
                refused_since = refused_since or time.monotonic()
                if time.monotonic() - refused_since >= REFUSAL_LIMIT:
                    raise
            if not told:
                told = True
                trouble(f"{what} can't be deleted yet: {exc}")
            pause = BACKOFF[min(tries, len(BACKOFF) - 1)]
            tries += 1
        if time.monotonic() - start + pause > limit:
            return False
        await asyncio.sleep(pause)


class _Deletion:
    """How far the deletion of one pod has come."""

    def __init__(self, client: ClusterClient, namespace: str, name: str, uid: str | None, grace: int) -> None:
        self._client = client
        self._namespace, self._name, self._uid = namespace, name, uid
        self._grace = grace
        self._since = time.monotonic()  # of the first try; then: in which the API server took it
        self._taken = self._forced = False

    async def advance(self) -> bool:
        """Asks for the deletion, or looks how far it is; returns whether the pod is gone."""
        if self._taken and not self._is_overdue():
            return await self._is_gone()
        grace = 0 if self._taken else self._grace
        if not await self._client.delete_pod(self._namespace, self._name, uid=self._uid, grace=grace):
            return self._taken or self._uid is not None or self._waited() >= APPEARANCE_LIMIT
        if not self._taken:
            self._taken, self._since = True, time.monotonic()
        self._forced = grace == 0
        return self._forced and await self._is_gone()  # with a grace it is there for a while

    def pause(self) -> float:
        """Seconds until the next look."""
        return _look_interval(self._waited())

    def _waited(self) -> float:
        return time.monotonic() - self._since

    def _is_overdue(self) -> bool:
        return not self._forced and self._waited() > self._grace + FORCE_MARGIN

    async def _is_gone(self) -> bool:
        pod = await self._client.get_pod(self._namespace, self._name)
        return pod is None or (self._uid is not None and pod["metadata"]["uid"] != self._uid)


class _SecretDeletion:
    """How far the deletion of one secret has come: it is gone as soon as it is taken."""

    def __init__(self, client: ClusterClient, namespace: str, name: str, uid: str | None) -> None:
        self._client = client
        self._namespace, self._name, self._uid = namespace, name, uid
        self._since = time.monotonic()

    async def advance(self) -> bool:
        """Asks for the deletion; returns whether the secret is gone."""
        if await self._client.delete_secret(self._namespace, self._name, uid=self._uid):
            return True
        return self._uid is not None or self._waited() >= APPEARANCE_LIMIT

    def pause(self) -> float:
        """Seconds until the next try."""
        return _look_interval(self._waited())

    def _waited(self) -> float:
        return time.monotonic() - self._since


def _look_interval(waited: float) -> float:
    return min(LONGEST_LOOK_INTERVAL, max(LOOK_INTERVAL, LOOK_SHARE * waited))


def refused(failure: Failure, name: str, kind: str = "pod") -> str:
    """What to tell where a pod, or an object of another kind, may not be deleted."""
    return f"{kind} {name} could not be deleted, remove it by hand: {failure.message}"
