# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container groups are made, tried on the real cluster, changed and deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, Played
from kubernetes import client

Options = dict[str, Any]

WHOLE = f"""\
metadata:
  labels:
    team: net
spec:
  nodeSelector:
    kubernetes.io/os: linux
  containers:
    - name: worker
      image: {IMAGE}
      imagePullPolicy: IfNotPresent
"""
NOT_TRIED = "can't be tried on its cluster: "


@pytest.fixture
def prod(kubeconfig: Path, namespace: str) -> Options:
    return {"name": "prod", "kubeconfig": str(kubeconfig), "namespace": namespace}


def saved(controller: Controller, options: Options, *arguments: str) -> Played:
    return controller.play([{"jobpods.controller.container_group": options}], *arguments)


def stored(controller: Controller) -> list[dict[str, Any]]:
    found = controller.verb("object_info", kind="container_group")["objects"]
    return [each for each in found if each["name"] != "controlplane"]


def test_from_check_to_removal(
    controller: Controller, prod: Options, core: client.CoreV1Api, namespace: str
) -> None:
    wanted = {**prod, "pod_spec_override": WHOLE}
    for arguments, changed in (
        (("--check", "--diff"), True),
        (("--diff",), True),
        ((), False),
        (("--check",), False),
    ):
        played = saved(controller, wanted, *arguments)
        assert played.result["changed"] is changed, played.terminal
        assert NOT_TRIED not in played.terminal
    (group,) = stored(controller)
    assert group["pod_spec_override"]["metadata"] == {"labels": {"team": "net"}}
    assert core.list_namespaced_pod(namespace).items == []

    played = saved(controller, {"name": "prod", "max_forks": 7, "new_name": "other"})
    assert played.result["msg"] == "Container group 'other' was changed: max_forks, name."
    for changed in (True, False):
        assert saved(controller, {"name": "other", "state": "absent"}).result["changed"] is changed
    assert stored(controller) == []


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["real", "check"])
@pytest.mark.parametrize(
    ("typo", "reason", "words"),
    [
        pytest.param(
            ("nodeSelector:", "nodeSelektor:"),
            "InvalidPodSpec",
            ('unknown field "spec.nodeSelektor"', "spec.nodeSelektor: line 5, nodeSelector is likely meant"),
            id="unknown field",
        ),
        pytest.param(
            ("imagePullPolicy: IfNotPresent", "imagePullPolicy: Sometimes"),
            "InvalidPodSpec",
            ('Unsupported value: "Sometimes"', "spec.containers[0].imagePullPolicy: line 10"),
            id="value",
        ),
        pytest.param(
            ("team: net", "team: 5"),
            "InvalidConfiguration",
            ("metadata.labels.team (line 3) must be a text, but it is 5",),
            id="type",
        ),
        pytest.param(
            ("spec:\n", "spec\n"), "InvalidConfiguration", ("neither YAML nor JSON", "line 5"), id="no YAML"
        ),
    ],
)
def test_a_typo_is_named_with_its_line(
    controller: Controller,
    prod: Options,
    typo: tuple[str, str],
    reason: str,
    words: tuple[str, ...],
    arguments: tuple[str, ...],
) -> None:
    result = saved(controller, {**prod, "pod_spec_override": WHOLE.replace(*typo)}, *arguments).result
    assert (result["failed"], result["changed"], result["failure"]["reason"]) == (True, False, reason), result
    assert result["failure"]["message"].startswith("pod_spec_override")
    for each in words:
        assert each in result["msg"]
    assert stored(controller) == []


def test_what_the_server_calls_invalid_does_not_change_a_group(controller: Controller, prod: Options) -> None:
    saved(controller, prod)
    override = {
        "spec": {"containers": [{"name": "worker", "image": IMAGE, "ports": [{"containerPort": 70000}]}]}
    }
    result = saved(controller, {"name": "prod", "pod_spec_override": override}).result
    assert result["failure"]["reason"] == "InvalidPodSpec"
    assert "spec.containers[0].ports[0].containerPort" in result["msg"]
    assert stored(controller)[0]["pod_spec_override"] == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"host": "https://127.0.0.1:1"}, "connection refused", id="nothing listens"),
        pytest.param({"host": "https://kubernetes.invalid"}, "kubernetes.invalid", id="no such host"),
        pytest.param({}, "401 Unauthorized", id="wrong token"),
    ],
)
def test_a_group_that_can_t_be_tried_is_saved_with_a_warning(
    controller: Controller, kubeconfig: Path, namespace: str, options: Options, words: str
) -> None:
    host = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    reached = {"host": host, "api_key": "wrong-S3CRET", "verify_ssl": False, **options}
    wanted = {"name": "prod", "namespace": namespace, "pod_spec_override": WHOLE, **reached}
    played = saved(controller, wanted, "--check")
    told = " ".join(played.terminal.split())
    assert f"[WARNING] container group 'prod' would be saved, but {NOT_TRIED}" in told
    assert stored(controller) == []
    played = saved(controller, wanted)
    assert played.rc == 0
    told = " ".join(played.terminal.split())
    assert told.count(f"[WARNING] container group 'prod' is saved, but {NOT_TRIED}") == 1
    assert words in told
    assert "S3CRET" not in told
    assert [each["name"] for each in stored(controller)] == ["prod"]
    assert NOT_TRIED not in saved(controller, wanted).terminal


def test_a_group_whose_user_may_not_make_pods_is_saved_with_a_warning(
    controller: Controller, kubeconfig: Path, namespace: str
) -> None:
    access = {"kubeconfig": str(kubeconfig), "namespace": namespace, "token": "bound", "token_seconds": 3600}
    group = {
        "name": "prod",
        "host": "{{ result_0.host }}",
        "api_key": "{{ result_0.token }}",
        "ssl_ca_cert": "{{ result_0.ssl_ca_cert }}",
        "namespace": "default",
    }
    played = controller.play(
        [{"jobpods.controller.cluster_access": access}, {"jobpods.controller.container_group": group}]
    )
    assert played.rc == 0
    assert f'{NOT_TRIED}The user "system:serviceaccount:{namespace}:container-group" may not create pods' in (
        " ".join(played.terminal.split())
    )


def test_a_group_with_a_job_in_it_can_t_be_deleted(
    controller: Controller, prod: Options, job: Options
) -> None:
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 600}}])
    gone = {"jobpods.controller.container_group": {"name": "prod", "state": "absent"}}
    played = controller.play(
        [
            {"jobpods.controller.container_group": {**prod, "pod_spec_override": WHOLE}},
            {"jobpods.controller.container_group_job": {**job, "container_group": "prod", "wait": False}},
            {
                "jobpods.controller.job_info": {"job_id": "{{ result_1.job.id }}"},
                "until": "result_2.jobs[0].status == 'running'",
                "retries": 120,
                "delay": 1,
            },
            {**gone, "ignore_errors": True},
            {"jobpods.controller.job_cancel": {"job_id": "{{ result_1.job.id }}"}},
            gone,
        ]
    )
    _group, launched, running, refused, canceled, deleted = played.results["localhost"]
    number = launched["job"]["id"]
    assert running["jobs"][0]["status"] == "running"
    assert refused["failed"]
    assert f"can't be deleted: it is in use by job {number} (site.yml), which has not ended" in refused["msg"]
    assert not canceled["failed"]
    assert deleted["changed"]
    assert stored(controller) == []


def test_of_the_controlplane_only_limits_can_be_set(controller: Controller) -> None:
    result = saved(controller, {"name": "controlplane", "max_forks": 20}).result
    assert (result["changed"], result["object"]["max_forks"]) == (True, 20)
    result = saved(controller, {"name": "controlplane", "namespace": "jobs"}).result
    assert result["failed"]
    assert "namespace: the container group controlplane runs jobs on the controller node" in result["msg"]
