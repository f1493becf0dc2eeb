# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What warm pods are: pods of a container group that wait for a job, and how they are told from others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    LABEL_PREFIX,
    MANAGED_BY,
    ExecutionEnvironment,
    pod_manifest,
    supervisor_args,
)

STATE = f"{LABEL_PREFIX}warm"
"""Label of a pod that waits for its job; a claimed one has it no longer."""
IDLE = "idle"
POOL = f"{LABEL_PREFIX}warm-pool"
"""Label: all pods of a value are alike."""
GROUP = f"{LABEL_PREFIX}warm-group"
"""Label: the stored container group that a pod was made for."""
REVISION = f"{LABEL_PREFIX}warm-revision"
"""Label: what that group said then."""
MARK = f"{LABEL_PREFIX}warm-mark"
"""Annotation by which a controller knows the pods of its own store: no other pod gets a job's secrets."""
DEFAULT_TTL = 600
LEAST_TTL = 10
MOST = 1000

Document = dict[str, Any]


@dataclass(frozen=True)
class WarmPods:
    """What a container group asks for.

    Attributes:
        count: pods that shall be idle.
        ttl: seconds after which each ends that no job has claimed.
        group: the stored group's id; empty for an inline one.
        revision: differs where the group itself says another pod than before.
    """

    count: int
    ttl: int
    group: str = ""
    revision: str = ""


@dataclass(frozen=True)
class WarmIdentity:
    """What names a warm pod.

    Attributes:
        pod_name: of the pod; for as long as it lives, also when it is a job's.
        labels: what finds it.
    """

    pod_name: str
    labels: dict[str, str]

    @property
    def pull_secret_name(self) -> str:
        """There is none: warm pods are not for images that take a login of ours."""
        raise ValueError("a warm pod has no image pull secret")


@dataclass(frozen=True)
class PoolSpec:
    """The pods of one pool.

    Attributes:
        warm: what the group asks for.
        namespace: where they are.
        pool: tells them from those of all other pools.
        group: value of the label `GROUP`; empty for an inline group.
        revision: value of the label `REVISION`.
    """

    warm: WarmPods
    namespace: str
    pool: str
    group: str
    revision: str
    _manifest: Document

    def name(self, number: int) -> str:
        """A pod's. Who finds that there is one too few takes the lowest number, so that two make one."""
        return f"automation-warm-{self.pool[:10]}-{number}"

    def manifest(self, name: str) -> Document:
        """A pod's."""
        return {**self._manifest, "metadata": {**self._manifest["metadata"], "name": name}}


def pool_spec(
    warm: WarmPods,
    *,
    cluster: str,
    namespace: str,
    override: Mapping[str, Any],
    execution_environment: ExecutionEnvironment | None,
    store: str,
) -> PoolSpec:
    """The pool of what a job would run in.

    Args:
        warm: what the group asks for.
        cluster: the API server's URL.
        namespace: where the job runs.
        override: as for `pod_manifest`.
        execution_environment: as for `pod_manifest`; the job's.
        store: tells the controller's store from others, of which groups have the same ids.
    """
    config = {"warm_pod_ttl": warm.ttl}
    manifest = pod_manifest(
        WarmIdentity("", {**MANAGED_BY, STATE: IDLE}),
        namespace=namespace,
        override=override,
        execution_environment=execution_environment,
        supervisor_config=config,
        active_deadline=None,
    )
    pool = _digest(cluster, store, warm.count, manifest)
    group = _digest(store, warm.group) if warm.group else ""
    revision = _digest(warm.revision, warm.count, namespace, supervisor_args(config))
    labels = {POOL: pool, REVISION: revision, **({GROUP: group} if group else {})}
    manifest["metadata"]["labels"] |= labels
    return PoolSpec(warm, namespace, pool, group, revision, manifest)


def marked(uid: str, pool: str) -> str:
    """What a controller's mark is made of."""
    return f"warm pod {uid} of {pool}"


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
