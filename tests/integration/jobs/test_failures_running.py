# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are cut short, by the kernel, by what runs beside them, or by the cluster: caused for real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.playbooks import (
    Controller,
    Running,
    side_by_side,
    until,
)
from kubernetes import client

Options = dict[str, Any]

SLOT = "example.com/slot"
"""A resource of the node of which there is one."""


def in_worker(job: Options, **spec: Any) -> Options:
    """The job with a pod spec of its own."""
    worker = {"name": "worker", "image": IMAGE, "imagePullPolicy": "IfNotPresent", **spec.pop("worker", {})}
    override = {"spec": {"containers": [worker], **spec}}
    group = {**job["container_group"], "execution_environment": None, "pod_spec_override": override}
    return {**job, "container_group": group}


def kill(words: str) -> Options:
    """A task that kills the processes whose command line has these words."""
    spelled = f"[{words[0]}]{words[1:]}"  # so that it is not in the shell's own
    look = f"tr '\\0' ' ' < $process/cmdline | grep -q '{spelled}'"
    loop = f"for process in /proc/[0-9]*; do if {look}; then kill -9 ${{process#/proc/}}; fi; done"
    return {"name": "Kill", "ansible.builtin.shell": f"{loop}; sleep 600"}


def test_runs_that_are_killed(controller: Controller, job: Options) -> None:
    eat = {"name": "Eat", "ansible.builtin.command": {"argv": ["python3", "-c", "bytearray(1 << 30)"]}}
    hungry = [{"hosts": "{{ ('all' * 400000000)[:3] }}", "gather_facts": False, "tasks": [eat]}]
    shout = "printf '\\036JP1 ended garbage' > /proc/1/fd/1; sleep 600"
    controller.project(
        eat=[eat],
        runner=[kill("ansible-runner worker")],
        playbook=[kill("ansible-playbook")],
        shout=[{"name": "Shout", "ansible.builtin.shell": shout}],
    )
    controller.write("project/hungry.yml", hungry)
    tight = in_worker(job, worker={"resources": {"limits": {"memory": "300Mi"}}})
    expected = {
        "hungry": ("OOMKilled", "error", "the kernel killed a process of the run"),
        "eat": ("PlaybookFailed", "failed", "the kernel killed a process of the run"),
        "runner": ("RunnerFailed", "error", "signal 9"),
        "playbook": ("RunnerFailed", "error", "ended in the middle of a play"),
    }
    base = {"hungry": tight, "eat": tight}
    jobs = {name: {**base.get(name, job), "playbook": f"{name}.yml"} for name in expected}
    played = controller.side_by_side(jobs)
    for name, (reason, status, words) in expected.items():
        (result,) = played.results[name]
        facts, failure = result["job"], result["job"]["failure"]
        assert (failure["reason"], facts["status"]) == (reason, status), result
        assert words in failure["message"]
        assert failure["hint"] in result["msg"]
        assert ('"containerStatuses"' in facts["result_traceback"]) == (status == "error")
        if "kernel" in words:
            assert "memory limit" in failure["hint"]
            assert failure["details"]["memory_kills"] == 1
    assert "TASK [Kill]" in played.results["playbook"][0]["job"]["result_traceback"]


@pytest.fixture
def slot(core: client.CoreV1Api) -> Iterator[None]:
    """The node has one slot."""

    def patch(value: str | None) -> None:
        name = f"/status/capacity/{SLOT.replace('/', '~1')}"
        change = (
            {"op": "remove", "path": name} if value is None else {"op": "add", "path": name, "value": value}
        )
        core.patch_node_status("node1", [change])

    patch("1")
    yield
    patch(None)


@pytest.fixture
def urgent(core: client.CoreV1Api, namespace: str) -> Iterator[str]:
    """A priority class above that of all jobs."""
    scheduling = client.SchedulingV1Api(core.api_client)
    name = f"urgent-{namespace}"
    scheduling.create_priority_class(
        client.V1PriorityClass(metadata=client.V1ObjectMeta(name=name), value=1000)
    )
    yield name
    scheduling.delete_priority_class(name)


def test_pods_that_the_cluster_stops(
    controller: Controller,
    job: Options,
    core: client.CoreV1Api,
    namespace: str,
    slot: None,
    urgent: str,
) -> None:
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 600}}])
    slotted = {"resources": {"limits": {SLOT: "1"}}}
    jobs = {
        "evicted": {**job, "cancel_grace": 1},
        "preempted": in_worker({**job, "cancel_grace": 1}, worker=slotted),
    }
    task, play, hosts = side_by_side(jobs)
    with controller.playing(task, *hosts, hosts="all", play=play) as running:
        pods = {name: pod_of(running, name) for name in jobs}
        eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=pods["evicted"]))
        core.create_namespaced_pod_eviction(pods["evicted"], namespace, eviction)
        container = client.V1Container(
            name="urgent",
            image="localhost/pause:1",
            resources=client.V1ResourceRequirements(limits={SLOT: "1"}),
        )
        spec = client.V1PodSpec(containers=[container], priority_class_name=urgent)
        core.create_namespaced_pod(
            namespace, client.V1Pod(metadata=client.V1ObjectMeta(name="urgent"), spec=spec)
        )
        results = {name: result for name, (result,) in running.results_by_host().items()}
    for name, reason in {"evicted": "Evicted", "preempted": "Preempted"}.items():
        result = results[name]
        facts, failure = result["job"], result["job"]["failure"]
        assert (facts["status"], failure["reason"]) == ("error", reason), result
        assert failure["retryable"]
        assert failure["details"]["node"] == "node1"
        assert result["changed"]
        assert "TASK [Wait]" in result["stdout"]
        assert "DisruptionTarget" in facts["result_traceback"]
        assert "last output of the playbook:" in facts["result_traceback"]


def pod_of(running: Running, name: str) -> str:
    """The pod of a job that has come to its task."""

    def lines(words: str) -> list[str]:
        told = running.terminal.splitlines()
        return [line for line in told if line.startswith(f"[{name}] ") and words in line]

    until(lambda: bool(lines("TASK [Wait]")), f"the job {name} to run")
    return lines(" created in namespace")[0].partition(" pod ")[2].split()[0]
