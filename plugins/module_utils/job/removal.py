# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes a job's pod, and doesn't stop before the API server says that it is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

FORCE_MARGIN = 5
"""Seconds beyond its grace after which a pod that is still there is deleted by force."""
LOOK_INTERVAL = 0.3
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
        uid: the pod's; a namesake is left alone. None where the create's answer never came.
        grace: seconds the pod gets to stop; 0 takes it away at once, for runs that have reported their end.
        limit: seconds after which to give up.
        trouble: told once what stands in the way.

    Returns:
        Whether the pod is gone; False where the limit was reached.

    Raises:
        Failure: the API server refuses, for example `Forbidden`.
    """
    start = time.monotonic()
    tries, told = 0, False
    while True:
        waited = time.monotonic() - start
        force = grace == 0 or waited > grace + FORCE_MARGIN
        try:
            if not await client.delete_pod(namespace, name, uid=uid, grace=0 if force else grace):
                return True
            pause = LOOK_INTERVAL
            if force:
                pod = await client.get_pod(namespace, name)
                if pod is None or (uid and pod["metadata"]["uid"] != uid):
                    return True
        except Unreachable as exc:
            if not told:
                told = True
                trouble(f"pod {name} can't be deleted yet: {exc.failure.message}")
            pause = BACKOFF[min(tries, len(BACKOFF) - 1)]
            tries += 1
        if time.monotonic() - start + pause > limit:
            return False
        await asyncio.sleep(pause)


def refused(failure: Failure, name: str) -> str:
    """What to tell where the pod may not be deleted."""
    return f"pod {name} could not be deleted, remove it by hand: {failure.message}"
