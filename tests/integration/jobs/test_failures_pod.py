# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which the pod can't start, or doesn't live to the playbook's end, caused for real."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LocalCluster
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from kubernetes import client

Options = dict[str, Any]


def failed(controller: Controller, job: Options, **group: Any) -> dict[str, Any]:
    """The facts of a job that ended in its pod; checks what all of them share."""
    result = controller.verb(
        "container_group_job", **{**job, "container_group": {**job["container_group"], **group}}
    )
    facts: dict[str, Any] = result["job"]
    assert (result["failed"], facts["status"]) == (True, "error"), result
    assert facts["failure"]["reason"] in result["msg"]
    assert facts["failure"]["hint"] in result["msg"]
    assert facts["pod_name"]
    return facts


def worker(**fields: Any) -> dict[str, Any]:
    """A pod spec override for the worker container."""
    return {"spec": {"containers": [{"name": "worker", "image": IMAGE, **fields}]}}


def test_a_command_in_the_override_that_does_not_run_the_job(controller: Controller, job: Options) -> None:
    facts = failed(controller, job, pod_spec_override=worker(command=["sh", "-c", "exit 3"]))
    assert facts["failure"]["reason"] == "ContainerTerminated"
    assert "pod_spec_override gives the worker container a command" in facts["failure"]["hint"]


def test_an_image_that_does_not_exist_ends_at_once(
    controller: Controller, job: Options, registry: str
) -> None:
    image = f"{registry}/no/such-image:1.0"
    facts = failed(controller, job, execution_environment={"image": image}, image_pull_timeout=3600)
    assert facts["failure"]["reason"] == "ImagePull"
    assert image in facts["failure"]["message"]
    assert "not found" in facts["failure"]["message"]
    assert facts["execution_node"] == ""  # the playbook never ran anywhere


def test_a_registry_that_is_not_there_is_tried_for_a_while(controller: Controller, job: Options) -> None:
    image = "127.0.0.1:1/image:1"
    facts = failed(controller, job, execution_environment={"image": image}, image_pull_timeout=3)
    assert facts["failure"]["reason"] == "ImagePull"
    assert "connection refused" in facts["failure"]["message"] + facts["result_traceback"]
    assert "image_pull_timeout" in facts["failure"]["message"]


def test_an_image_name_that_is_none(controller: Controller, job: Options) -> None:
    facts = failed(controller, job, execution_environment={"image": "Registry/UPPER:1"})
    assert facts["failure"]["reason"] == "InvalidImageName"
    assert "Registry/UPPER:1" in facts["failure"]["message"]


def test_an_image_without_python(
    controller: Controller, job: Options, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w") as rootfs:
        rootfs.addfile(tarfile.TarInfo("an-empty-file"))
    local_cluster.run("load", "localhost/no-python:1", str(tmp_path / "rootfs.tar"))
    facts = failed(controller, job, execution_environment={"image": "localhost/no-python:1", "pull": "never"})
    assert facts["failure"]["reason"] == "RunnerMissing"
    assert "python3" in facts["failure"]["message"]


def test_an_image_without_ansible_runner(controller: Controller, job: Options) -> None:
    """The image has it, but not on the PATH that the pod gets: to the supervisor that is the same."""
    override = worker(env=[{"name": "PATH", "value": "/usr/bin:/bin"}], imagePullPolicy="IfNotPresent")
    facts = failed(controller, job, execution_environment=None, pod_spec_override=override)
    assert facts["failure"]["reason"] == "RunnerMissing"
    assert "ansible-runner is not on" in facts["failure"]["message"]


def test_a_pod_spec_that_is_wrong(controller: Controller, job: Options) -> None:
    override = worker(resources={"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "1"}})
    result = controller.verb(
        "container_group_job",
        **{**job, "container_group": {**job["container_group"], "pod_spec_override": override}},
    )
    failure = result["job"]["failure"]
    assert (failure["reason"], failure["http_status"]) == ("InvalidPodSpec", 422)
    assert "requests" in failure["message"]


def test_a_pod_that_is_deleted_in_the_middle(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 600}}])
    with controller.started(job) as running:
        running.await_text("TASK [Wait]")
        (pod,) = core.list_namespaced_pod(namespace).items
        assert pod.metadata
        core.delete_namespaced_pod(str(pod.metadata.name), namespace, grace_period_seconds=0)
        result = running.result()
    failure = result["job"]["failure"]
    assert (result["job"]["status"], failure["reason"]) == ("error", "PodDeleted"), result
    assert failure["retryable"]
    assert result["changed"]  # nobody knows
    assert "TASK [Wait]" in result["stdout"]


def test_a_failed_job_is_told_on_the_terminal(controller: Controller, job: Options, registry: str) -> None:
    options = {**job, "execution_environment": {"image": f"{registry}/absent:1"}}
    played = controller.play([{"name": "Outer", "jobpods.controller.container_group_job": options}])
    assert played.rc == 2
    assert "ImagePull" in played.terminal
    assert json.dumps(played.results).count("Traceback") == 0


@pytest.mark.parametrize("name", ["worker", "ansible"])
def test_a_container_that_is_not_called_worker_runs_the_job(
    controller: Controller, job: Options, name: str
) -> None:
    override = {"spec": {"containers": [{"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent"}]}}
    group = {**job["container_group"], "pod_spec_override": override}
    del group["execution_environment"]
    result = controller.verb("container_group_job", **{**job, "container_group": group})
    assert result["job"]["status"] == "successful", result["msg"]
