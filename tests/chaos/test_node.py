# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node stops or is removed, or a pod fills its disk: each job ends with a reason of its own."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import LocalCluster
from ansible_collections.jobpods.controller.tests.integration.playbooks import (
    Controller,
    Running,
    side_by_side,
    until,
)
from kubernetes import client

Options = dict[str, Any]

NODE, OTHER = "node1", "node2"
OUTAGE = 10


@pytest.fixture
def node(core: client.CoreV1Api, local_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """The node, for tests to stop or to remove; it is back at the end."""
    yield local_cluster
    if local_cluster.runs("kubelet"):
        local_cluster.run("stop", "kubelet")  # it makes its node anew only when it starts
    local_cluster.run("start", "kubelet")

    def ready() -> bool:
        return any(
            condition.type == "Ready" and condition.status == "True"
            for each in core.list_node().items
            if each.metadata and each.metadata.name == NODE
            for condition in (each.status and each.status.conditions) or ()
        )

    until(ready, "the node to be back")


@pytest.fixture
def healthy(core: client.CoreV1Api) -> Iterator[None]:
    """Another node that seems to be well: where all nodes are lost, Kubernetes blames itself and waits."""
    leases = client.CoordinationV1Api(core.api_client)
    metadata = client.V1ObjectMeta(name=OTHER)
    ready = client.V1NodeCondition(type="Ready", status="True", reason="Pretended", message="for the test")
    taint = client.V1Taint(key="example.com/pretended", effect="NoSchedule")
    node = client.V1Node(
        metadata=metadata,
        spec=client.V1NodeSpec(taints=[taint]),
        status=client.V1NodeStatus(conditions=[ready]),
    )
    over = threading.Event()

    def beat() -> None:
        while not over.wait(5):
            renewed = {"spec": {"renewTime": datetime.now(timezone.utc).isoformat(timespec="microseconds")}}
            leases.patch_namespaced_lease(OTHER, "kube-node-lease", renewed)

    core.create_node(node)
    spec = client.V1LeaseSpec(
        holder_identity=OTHER, lease_duration_seconds=40, renew_time=datetime.now(timezone.utc)
    )
    leases.create_namespaced_lease("kube-node-lease", client.V1Lease(metadata=metadata, spec=spec))
    beating = threading.Thread(target=beat)
    beating.start()
    yield
    over.set()
    beating.join()
    core.delete_node(OTHER)
    leases.delete_namespaced_lease(OTHER, "kube-node-lease")


@pytest.fixture
def waiting(controller: Controller, job: Options) -> Options:
    """A job that does not end by itself."""
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 600}}])
    return {**job, "cancel_grace": 1}


def await_tasks(running: Running, names: list[str]) -> None:
    """Waits until all jobs have come to their task."""

    def at_task(name: str) -> bool:
        lines = running.terminal.splitlines()
        return any(line.startswith(f"[{name}] ") and "TASK [Wait]" in line for line in lines)

    until(lambda: all(map(at_task, names)), "the jobs to run")


def with_spec(job: Options, spec: Options) -> Options:
    return {**job, "container_group": {**job["container_group"], "pod_spec_override": {"spec": spec}}}


def check_lost(result: dict[str, Any]) -> None:
    """Checks the end of a job whose pod was lost with its node."""
    facts, failure = result["job"], result["job"]["failure"]
    assert (facts["status"], failure["reason"]) == ("error", "NodeLost"), result
    assert failure["retryable"]
    assert failure["details"]["node"] == NODE
    assert "DisruptionTarget" in facts["result_traceback"]
    assert "TASK [Wait]" in result["stdout"]
    assert result["changed"]


def test_kubelet_that_stops(
    controller: Controller, waiting: Options, node: LocalCluster, healthy: None
) -> None:
    taints = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    toleration = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    jobs = {
        "lost": with_spec(waiting, {"tolerations": [{"key": taint, **toleration} for taint in taints]}),
        "unreachable": {**waiting, "cluster_outage_timeout": OUTAGE},
    }
    task, play, hosts = side_by_side(jobs)
    with controller.playing(task, *hosts, hosts="all", play=play) as running:
        await_tasks(running, list(jobs))
        node.run("stop", "kubelet")
        results = running.results_by_host()
        terminal = running.terminal
    check_lost(results["lost"][0])
    assert "the connection to the pod is gone; the run goes on in it" in terminal
    (unreachable,) = results["unreachable"]
    failure = unreachable["job"]["failure"]
    assert (unreachable["job"]["status"], failure["reason"]) == ("error", "ClusterUnreachable"), unreachable
    assert failure["retryable"]
    assert f"longer than cluster_outage_timeout ({OUTAGE} s)" in failure["message"]
    # As what the kubelet has told last, which may have been a moment before the container ran.
    shown = rf"The API server answers, and shows the pod as (Running|Pending) on node {NODE}"
    assert re.search(shown, failure["message"]), failure["message"]
    assert "containerStatuses" in unreachable["job"]["result_traceback"]


def test_node_that_is_removed(
    controller: Controller, waiting: Options, core: client.CoreV1Api, node: LocalCluster
) -> None:
    with controller.started(waiting) as running:
        running.await_text("TASK [Wait]")
        core.delete_node(NODE)
        result = running.result()
    check_lost(result)


def test_pod_that_fills_the_disk(controller: Controller, job: Options) -> None:
    fill = "dd if=/dev/zero of=/tmp/big bs=1M count=100 && sleep 600"
    controller.project(site=[{"name": "Fill", "ansible.builtin.shell": fill}])
    limit = {"resources": {"limits": {"ephemeral-storage": "50Mi"}}}
    worker = {"name": "worker", "image": job["container_group"]["execution_environment"]["image"], **limit}
    result = controller.verb("container_group_job", **with_spec(job, {"containers": [worker]}))
    facts, failure = result["job"], result["job"]["failure"]
    assert (facts["status"], failure["reason"]) == ("error", "Evicted"), result
    assert "50Mi" in failure["message"]
    assert not failure["retryable"]
    assert "TASK [Fill]" in result["stdout"]
    assert "Evicted" in facts["result_traceback"]
