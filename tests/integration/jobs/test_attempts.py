# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that are lost before their playbook begins are replaced, and later ones where the user wants that."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]


def only_pod(core: client.CoreV1Api, namespace: str) -> str:
    """The name of the one pod in the namespace, once it is on its node."""

    def names() -> list[str]:
        pods = core.list_namespaced_pod(namespace).items
        return [str(pod.metadata.name) for pod in pods if pod.metadata and pod.spec and pod.spec.node_name]

    until(lambda: bool(names()), "a pod on a node")
    (name,) = names()
    return name


def delete(core: client.CoreV1Api, namespace: str, name: str) -> None:
    core.delete_namespaced_pod(name, namespace, grace_period_seconds=1)


def evict(core: client.CoreV1Api, namespace: str, name: str) -> None:
    """As `kubectl drain` does; for a pod that does not run, the grace is over at once."""
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace=namespace))
    core.create_namespaced_pod_eviction(name, namespace, eviction)


def overridden(job: Options, spec: Options) -> Options:
    """The job with a pod spec override."""
    return {**job, "container_group": {**job["container_group"], "pod_spec_override": {"spec": spec}}}


@pytest.mark.parametrize(
    ("lose", "reason"),
    [pytest.param(delete, "PodDeleted", id="deleted"), pytest.param(evict, "Evicted", id="evicted")],
)
def test_pod_that_goes_while_it_waits_for_its_volumes(
    controller: Controller,
    job: Options,
    core: client.CoreV1Api,
    namespace: str,
    lose: Callable[[client.CoreV1Api, str, str], None],
    reason: str,
) -> None:
    volumes = {"volumes": [{"name": "late", "configMap": {"name": "late"}}]}
    with controller.started(overridden(job, volumes)) as running:
        first = only_pod(core, namespace)
        lose(core, namespace, first)
        late = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="late"))
        core.create_namespaced_config_map(namespace, late)
        result = running.result()
    assert result["job"]["status"] == "successful", result
    lost, last = result["job"]["attempts"]
    assert (lost["pod_name"], lost["reason"], lost["started"]) == (first, reason, None)
    assert (last["pod_name"], last["reason"], last["attempt"]) == (result["job"]["pod_name"], "", 2)
    assert last["pod_name"] != first
    running.await_text("trying again in another pod, attempt 2 of 4")
    assert not core.list_namespaced_pod(namespace).items


@pytest.fixture
def label(core: client.CoreV1Api) -> Iterator[str]:
    """A label that nodes may get in the test, and have no longer after it."""
    name = f"jobpods-test-{uuid.uuid4().hex[:8]}"
    yield name
    for node in core.list_node().items:
        assert node.metadata
        core.patch_node(str(node.metadata.name), {"metadata": {"labels": {name: None}}})


def test_pod_that_its_node_rejects(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str, label: str
) -> None:
    """A pod that names its node meets no scheduler, which would hold it back, but the kubelet's checks."""
    node = core.list_node().items[0].metadata
    assert node
    chosen = {"nodeName": str(node.name), "nodeSelector": {label: "yes"}}
    with controller.started(overridden(job, chosen)) as running:
        running.await_text("trying again in another pod, attempt 2 of 4")
        core.patch_node(str(node.name), {"metadata": {"labels": {label: "yes"}}})
        result = running.result()
    assert result["job"]["status"] == "successful", result
    *lost, last = result["job"]["attempts"]
    assert {each["reason"] for each in lost} == {"Unschedulable"}
    assert "NodeAffinity" in lost[0]["message"]
    assert last["execution_node"] == node.name


def test_pod_that_goes_in_the_middle_of_a_playbook_that_may_run_twice(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 600}}])
    with controller.started({**job, "retry_on_node_loss": True}) as running:
        running.await_text("TASK [Wait]")
        controller.project(site=[{"name": "Greet", "ansible.builtin.debug": {"msg": "hello again"}}])
        first = only_pod(core, namespace)
        delete(core, namespace, first)
        result = running.result()
    assert result["job"]["status"] == "successful", result
    lost, last = result["job"]["attempts"]
    assert (lost["pod_name"], lost["reason"]) == (first, "PodDeleted")
    assert None not in (lost["started"], last["started"])
    counters = [event["counter"] for event in controller.events(result["job"]["id"])]
    assert counters == list(range(1, result["job"]["event_count"] + 1))
    assert "TASK [Wait]" not in result["stdout"]
    assert "hello again" in result["stdout"]
    running.await_text("the output starts again from its beginning")
    running.await_text("hello again")
    assert result["changed"]  # what the first one did, nobody knows
    assert not core.list_namespaced_pod(namespace).items


def test_pod_that_a_finalizer_keeps_is_the_last(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """A lost pod has to be gone before the next one is made, but that is not waited for without end."""
    late = overridden(job, {"volumes": [{"name": "late", "configMap": {"name": "late"}}]})
    override = late["container_group"]["pod_spec_override"]
    override["metadata"] = {"finalizers": ["jobpods.example/keep"]}
    with controller.started({**late, "cluster_outage_timeout": 3}) as running:
        pod = only_pod(core, namespace)
        evict(core, namespace, pod)
        result = running.result()
        core.patch_namespaced_pod(pod, namespace, {"metadata": {"finalizers": None}})
    failure = result["job"]["failure"]
    assert failure["reason"] == "Evicted", result["msg"]
    assert "not gone within cluster_outage_timeout (3 s)" in failure["message"]
    assert result["job"]["pod_name"] == pod
