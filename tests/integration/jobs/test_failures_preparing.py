# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong options, missing files and playbooks that fail: what the user is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL, job_pods
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from kubernetes import client

Options = dict[str, Any]


def refused(controller: Controller, job: Options) -> dict[str, Any]:
    """The failure of a job that was never started; checks what all of them share."""
    result = controller.verb("container_group_job", **job)
    facts = result["job"]
    assert (result["failed"], result["changed"], facts["status"]) == (True, False, "error"), result
    assert (facts["id"], facts["pod_name"], result["stdout"]) == (None, "", "")
    failure: dict[str, Any] = facts["failure"]
    assert failure["message"] in result["msg"]
    assert failure["hint"] in result["msg"]
    return failure


def test_a_playbook_that_is_not_in_the_project(controller: Controller, job: Options) -> None:
    failure = refused(controller, {**job, "playbook": "sites.yml"})
    assert failure["reason"] == "PlaybookNotFound"
    assert "sites.yml" in failure["message"]
    assert "site.yml" in failure["message"]


def test_a_project_that_does_not_exist(controller: Controller, job: Options) -> None:
    failure = refused(controller, {**job, "project": "nowhere"})
    assert failure["reason"] == "ProjectNotFound"
    assert str(controller.folder / "nowhere") in failure["message"]


def test_a_project_that_is_too_large(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """Its pod is made meanwhile, and goes with it."""
    with (controller.folder / "project" / "disk.img").open("wb") as file:
        file.truncate(2 << 30)  # nothing of it is on this machine's disk
    result = controller.verb("container_group_job", **job)
    facts = result["job"]
    assert (facts["status"], facts["failure"]["reason"]) == ("error", "PayloadTooLarge"), result
    assert "project/disk.img (2048 MiB)" in facts["failure"]["message"]
    assert not result["changed"]
    assert job_pods(core, namespace) == []


def test_a_project_that_can_t_be_updated(controller: Controller) -> None:
    missing = controller.folder / "no-repository"
    result = controller.play(
        [
            {
                "jobpods.controller.project": {
                    "name": "site",
                    "scm_type": "git",
                    "scm_url": f"file://{missing}",
                }
            },
            {"jobpods.controller.project_update": {"project": "site"}, "ignore_errors": True},
        ]
    ).results["localhost"][-1]
    facts = result["job"]
    assert (facts["status"], facts["failure"]["reason"]) == ("error", "ProjectUpdateFailed"), result
    assert str(missing) in facts["failure"]["message"] + facts["result_traceback"]
    assert facts["failure"]["hint"] in result["msg"]


def test_an_inventory_that_does_not_exist(controller: Controller, job: Options) -> None:
    failure = refused(controller, {**job, "inventory": "hots"})
    assert failure["reason"] == "InventoryInvalid"
    assert "'hots,'" in failure["message"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"playbok": "x"}, ["playbok", "playbook"], id="unknown option"),
        pytest.param({"forks": "many"}, ["forks", "many"], id="wrong type"),
        pytest.param({"job_type": "dry"}, ["job_type", "dry", "run or check"], id="wrong choice"),
        pytest.param({"timeout": -1}, ["timeout", "-1"], id="out of range"),
        pytest.param(
            {"container_group": {"namspace": "x"}}, ["namspace", "container_group"], id="unknown suboption"
        ),
        pytest.param(
            {"container_group": {"namespace": "No_Good"}}, ["container_group.namespace", "No_Good"], id="name"
        ),
        pytest.param(
            {"container_group": {"pod_spec_override": "a: ["}}, ["pod_spec_override", "line"], id="override"
        ),
        pytest.param(
            {"credentials": [{"credential_type": "machine", "inputs": {"passwort": "S3CRET"}}]},
            ["passwort", "password"],
            id="credential input",
        ),
        pytest.param({"controller_lost_timeout": 10}, ["controller_lost_timeout", "300"], id="contradiction"),
    ],
)
def test_a_wrong_option_is_named(
    controller: Controller, job: Options, options: Options, words: list[str]
) -> None:
    failure = refused(controller, {**job, **options})
    assert failure["reason"] == "InvalidConfiguration"
    for word in words:
        assert word in failure["message"]
    assert "S3CRET" not in str(failure)


def test_a_missing_option_is_named(controller: Controller, job: Options) -> None:
    del job["playbook"]
    assert "playbook" in refused(controller, job)["message"]


@pytest.mark.parametrize("kind", ["yaml", "script"])
def test_an_inventory_that_cannot_be_parsed_in_the_pod(
    controller: Controller, job: Options, kind: str
) -> None:
    """A part of it could be: nothing runs on half of the hosts."""
    controller.write("hosts/good", f"web1 {' '.join(f'{key}={value}' for key, value in LOCAL.items())}\n")
    broken = controller.write("hosts/broken.yml", "all: [not, a, group")
    if kind == "script":
        broken.unlink()
        broken = controller.write("hosts/broken.sh", "#!/bin/sh\necho no inventory >&2\nexit 3\n")
        broken.chmod(0o755)
    result = controller.verb("container_group_job", **{**job, "inventory": "hosts"})
    failure = result["job"]["failure"]
    assert failure["reason"] == "InventoryInvalid", result["msg"]
    assert broken.name in failure["message"]
    assert "hello from the pod" not in result["stdout"]


def test_a_typo_in_the_pod_spec_is_warned_of(controller: Controller, job: Options) -> None:
    container = {"name": "worker", "resorces": {"limits": {"memory": "1Gi"}}}
    job["container_group"] = {
        **job["container_group"],
        "pod_spec_override": {"spec": {"containers": [container]}},
    }
    played = controller.play([{"jobpods.controller.container_group_job": job}])
    assert played.result["job"]["status"] == "successful", played.result["msg"]
    terminal = " ".join(played.terminal.split())
    assert '[WARNING] the API server says of the pod: unknown field "spec.containers[0].resorces"' in terminal


def test_a_playbook_that_fails(controller: Controller, job: Options) -> None:
    fail = {
        "name": "Break",
        "ansible.builtin.fail": {"msg": "because"},
        "when": "inventory_hostname != 'good'",
    }
    controller.project(site=[fail])
    unreachable = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh"}
    hosts = {"good": LOCAL, "bad": LOCAL, "away": unreachable}
    controller.project(site=[{"name": "Look", "ansible.builtin.stat": {"path": "/"}}, fail])
    result = controller.verb("container_group_job", **{**job, "inventory": {"all": {"hosts": hosts}}})
    facts = result["job"]
    failure = facts["failure"]
    assert (facts["status"], failure["reason"], failure["phase"]) == ("failed", "PlaybookFailed", "playbook")
    assert failure["details"]["failed_hosts"] == ["away", "bad"]
    told = {task["host"]: task for task in failure["details"]["tasks"]}
    assert (told["bad"]["task"], told["bad"]["msg"]) == ("Break", "because")
    assert told["away"]["status"] == "unreachable"
    assert facts["host_status_counts"] == {"ok": 1, "changed": 0, "failed": 1, "unreachable": 1, "skipped": 0}
    assert "bad" in result["msg"]
    assert "Break" in result["msg"]


def test_a_playbook_that_is_no_playbook(controller: Controller, job: Options) -> None:
    controller.project(site="- hosts: all\n  tasks: {{}\n")
    result = controller.verb("container_group_job", **job)
    assert result["job"]["failure"]["reason"] == "PlaybookFailed"
    assert "site.yml" in result["job"]["failure"]["message"] + result["job"]["result_traceback"]


def test_a_playbook_that_takes_too_long(controller: Controller, job: Options) -> None:
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 600}}])
    # The limit counts from the runner's start; a slow machine must come to the task within it.
    result = controller.verb("container_group_job", **{**job, "timeout": 20, "cancel_grace": 1})
    facts = result["job"]
    assert (facts["status"], facts["failure"]["reason"]) == ("failed", "JobTimeout"), result
    assert "20 s" in facts["failure"]["message"]
    assert "TASK [Wait]" in result["stdout"]


def test_a_project_is_looked_up_from_the_playbooks_folder(
    controller: Controller, job: Options, tmp_path: Path
) -> None:
    result = controller.verb("container_group_job", **{**job, "project": "./project"})
    assert result["job"]["status"] == "successful", result["msg"]
