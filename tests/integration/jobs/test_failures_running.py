# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are cut short, by the kernel, by what runs beside them, or by the cluster: caused for real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL
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


def to_process(words: str, command: str) -> Options:
    """A task with a command for each process, `$process` in /proc, that has these words in its own."""
    spelled = f"[{words[0]}]{words[1:]}"  # so that they are not in the shell's
    look = f"tr '\\0' ' ' < $process/cmdline | grep -q '{spelled}'"
    loop = f"for process in /proc/[0-9]*; do if {look}; then {command}; fi; done"
    return {"name": "Meddle", "ansible.builtin.shell": f"{loop}; sleep 600"}


KILL = "kill -9 ${process#/proc/}"
EAT = {"name": "Eat", "ansible.builtin.command": {"argv": ["python3", "-c", "bytearray(1 << 30)"]}}
PLAYBOOKS: dict[str, Any] = {
    "eat": [EAT],
    "runner": [to_process("ansible-runner worker", KILL)],
    "playbook": [to_process("ansible-playbook", KILL)],
    "forger": [
        to_process(
            "ansible-runner worker",
            """echo '{"counter": 99, "event": "verbose", "stdout": "" }' > $process/fd/1""",
        )
    ],
    "slices": [{"name": "Break", "ansible.builtin.fail": {"msg": "because"}}],
}
HUNGRY = [{"hosts": "{{ ('all' * 400000000)[:3] }}", "gather_facts": False, "tasks": [EAT]}]
"""A playbook of which ansible-playbook itself needs much memory."""
KERNEL = "the kernel killed a process of the run"
CUT_SHORT = {
    "hungry": ("OOMKilled", "error", KERNEL),
    "eat": ("PlaybookFailed", "failed", KERNEL),
    "runner": ("RunnerFailed", "error", "signal 9"),
    "playbook": ("RunnerFailed", "error", "ended in the middle of a play"),
    "forger": ("ProtocolViolation", "error", "event 99"),
    "slices": ("WorkflowFailed", "failed", "2"),
}


def test_runs_that_are_cut_short(controller: Controller, job: Options) -> None:
    controller.project(**PLAYBOOKS)
    controller.write("project/hungry.yml", HUNGRY)
    jobs = {name: {**job, "playbook": f"{name}.yml"} for name in CUT_SHORT}
    for name in ("hungry", "eat"):
        jobs[name] = in_worker(jobs[name], worker={"resources": {"limits": {"memory": "300Mi"}}})
    jobs["slices"] |= {"job_slice_count": 2, "inventory": {"all": {"hosts": {"a": LOCAL, "b": LOCAL}}}}
    played = controller.side_by_side(jobs)
    for name, (reason, status, words) in CUT_SHORT.items():
        (result,) = played.results[name]
        facts, failure = result["job"], result["job"]["failure"]
        assert (failure["reason"], facts["status"]) == (reason, status), result
        assert words in failure["message"]
        assert failure["hint"] in result["msg"]
        assert ('"containerStatuses"' in facts["result_traceback"]) == (status == "error"), name
        if words == KERNEL:
            assert "memory limit" in failure["hint"]
            assert failure["details"]["memory_kills"] == 1
            assert failure["details"]["memory_limit"] == "300Mi"
            assert (
                "The container's memory limit is 300Mi; the most that was seen in use is "
                in failure["message"]
            )
            assert facts["resources"]["memory_peak"] == failure["details"]["memory_peak"] <= 300 << 20
    assert "TASK [Meddle]" in played.results["playbook"][0]["job"]["result_traceback"]
    slices = played.results["slices"][0]["job"]["slices"]
    assert [each["failure"]["reason"] for each in slices] == ["PlaybookFailed"] * 2


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
