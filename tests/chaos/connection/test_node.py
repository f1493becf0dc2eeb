# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens on the node: kubelet restarts, log rotation, other containers in the pod."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.chaos.connection.numbered import (
    AGAIN,
    NumberedJobs,
    Numbers,
)
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LocalCluster
from ansible_collections.jobpods.controller.tests.integration.playbooks import until

Options = dict[str, Any]
BIG = Numbers(lines=1000, width=100_000)
SMALL = Numbers(lines=150)
FOREVER = "trap '' TERM; while :; do sleep 1; done"
LOG_SIZE = 1 << 20


@pytest.fixture
def small_logs(local_cluster: LocalCluster) -> Iterator[None]:
    """The kubelet rotates containers' logs that are larger than 1 MiB, and keeps two; looks every 3 s."""
    path = local_cluster.root / "kubelet.yaml"
    before = path.read_text(encoding="utf-8")
    small = {
        "containerLogMaxSize": str(LOG_SIZE),
        "containerLogMaxFiles": 2,
        "containerLogMonitorInterval": "3s",
    }
    path.write_text(json.dumps({**json.loads(before), **small}), encoding="utf-8")
    restart_kubelet(local_cluster)
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")
        restart_kubelet(local_cluster)


def restart_kubelet(cluster: LocalCluster) -> None:
    """Kills it and starts it again."""
    cluster.run("stop", "kubelet")
    cluster.run("start", "kubelet")


def with_sidecar(*command: str) -> Options:
    """A pod spec with a second container."""
    worker = {"name": "worker", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    sidecar = {"name": "sidecar", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command)}
    return {"spec": {"containers": [worker, sidecar]}}


def with_native_sidecar(*command: str) -> Options:
    """A pod spec with a sidecar as Kubernetes has them: an init container that is started again for ever."""
    worker = {"name": "worker", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    sidecar = {"name": "beside", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command)}
    return {"spec": {"initContainers": [{**sidecar, "restartPolicy": "Always"}], "containers": [worker]}}


@pytest.mark.usefixtures("small_logs")
def test_kubelet_restarts_logs_rotate_and_sidecars_misbehave(
    jobs: NumberedJobs, group: Options, local_cluster: LocalCluster
) -> None:
    """Lines of 100 KB, 100 MB of them; and other containers in the pod that don't end, or fail."""
    big = jobs.start(BIG)
    endless = jobs.start(SMALL, {**group, "pod_spec_override": with_sidecar("sh", "-c", FOREVER)}, pace=0.2)
    failing = jobs.start(SMALL, {**group, "pod_spec_override": with_sidecar("false")}, pace=0.2)
    ending = with_native_sidecar("sh", "-c", "sleep 2; false")
    native = jobs.start(SMALL, {**group, "pod_spec_override": ending}, pace=0.2)
    for job in (endless, failing, native):
        job.await_line(20)
    logs = local_cluster.root / "pod-logs"
    jobs.await_plain_ones()
    until(lambda: rotated(logs, group["namespace"]), "a log to be rotated")
    restart_kubelet(local_cluster)
    for job in (endless, failing, native):
        job.await_text(AGAIN)
        jobs.check(job, SMALL)
    jobs.check(big, BIG)


def rotated(logs: Path, namespace: str) -> bool:
    """Whether the kubelet has begun a new log for a worker container of this namespace."""
    return any(logs.glob(f"{namespace}_*/worker/0.log.*"))
