# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What warm pods are: pods of a container group that wait for a job, and how they are told from others."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    LABEL_PREFIX,
    MANAGED_BY,
    UNMOVABLE,
    ExecutionEnvironment,
    pod_manifest,
    supervisor_args,
)

STATE = f"{LABEL_PREFIX}warm"
"""Label of a warm pod: `IDLE` while it waits for its job, then `CLAIMED`."""
IDLE = "idle"
CLAIMED = "claimed"
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
        active_deadline: the pod spec's own `activeDeadlineSeconds`, which counts from the claim on, since
            Kubernetes would only let it be made shorter; None where it says none.
        unmovable: annotations that a pod gets when it is a job's.
    """

    warm: WarmPods
    namespace: str
    pool: str
    group: str
    revision: str
    active_deadline: int | None
    unmovable: dict[str, str]
    _manifest: Document = field(repr=False)

    def name(self) -> str:
        """A new pod's, which no other one ever gets: who knows a pod by its name never means another."""
        return f"automation-warm-{self.pool[:10]}-{os.urandom(6).hex()}"

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
        movable=True,
    )
    active_deadline = _active_deadline(manifest["spec"])
    own = (override.get("metadata") or {}).get("annotations") or {}
    unmovable = {name: value for name, value in UNMOVABLE.items() if own.get(name) is None}
    pool = _digest(cluster, store, warm.count, manifest)
    group = _digest(store, warm.group) if warm.group else ""
    revision = _digest(warm.revision, warm.count, namespace, supervisor_args(config))
    labels = {POOL: pool, REVISION: revision, **({GROUP: group} if group else {})}
    manifest["metadata"]["labels"] |= labels
    return PoolSpec(warm, namespace, pool, group, revision, active_deadline, unmovable, manifest)


def marked(uid: str, pool: str) -> str:
    """What a controller's mark is made of."""
    return f"warm pod {uid} of {pool}"


def _active_deadline(spec: Document) -> int | None:
    """Takes it out of a pod's spec; what is none stays, for the API server to refuse."""
    value = spec.get("activeDeadlineSeconds")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return None
    del spec["activeDeadlineSeconds"]
    return value


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
