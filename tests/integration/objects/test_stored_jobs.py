# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from stored objects: prompts, a project in git, and the controller node as a place to run."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import (
    SITE,
    Define,
    Task,
    jobs_of,
    verb,
)
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    Repository,
)
from kubernetes import client

TELLING: list[Task] = [
    {
        "name": "Tell",
        "ansible.builtin.debug": {
            "msg": "{{ inventory_hostname }} {{ who }} {{ colour }} {{ ansible_forks }} {{ ansible_user }}"
        },
        "tags": ["tell"],
    },
    {"name": "Leave out", "ansible.builtin.debug": {"msg": "untagged"}},
]
PROMPTS = (
    "credential",
    "execution_environment",
    "forks",
    "instance_groups",
    "inventory",
    "limit",
    "tags",
    "variables",
    "verbosity",
)


def test_a_template_is_launched_with_prompts(
    controller: Controller, define: Define, kubeconfig: Path, namespace: str
) -> None:
    survey = {
        "name": "",
        "description": "",
        "spec": [
            {"question_name": "Who?", "variable": "who", "type": "text", "required": True, "min": 2},
        ],
    }
    others = {"all": {"hosts": {"x": LOCAL, "y": LOCAL, "z": LOCAL}}}
    machine = {"credential_type": "machine", "inputs": {"username": "deploy"}}
    define(
        TELLING,
        verb("inventory", name="others", organization=SITE, content=others),
        verb("credential", name="theirs", organization=SITE, **machine),
        verb("execution_environment", name="same tools", image=IMAGE, pull="never"),
        verb("container_group", name="asked for", kubeconfig=str(kubeconfig), namespace=namespace),
        verb(
            "job_template",
            name="greet",
            organization=SITE,
            extra_vars={"colour": "green", "who": "nobody"},
            survey_enabled=True,
            survey_spec=survey,
            **{f"ask_{name}_on_launch": True for name in PROMPTS},
        ),
    )
    prompts: dict[str, Any] = {
        "inventory": "others",
        "limit": "x:y",
        "tags": ["tell"],
        "forks": 7,
        "extra_vars": {"who": "ann", "colour": "red"},
        "credentials": ["theirs"],
        "execution_environment": "same tools",
        "instance_groups": ["asked for"],
    }
    refused = controller.verb(
        "container_group_job", job_template="greet", **{**prompts, "extra_vars": {"who": "x"}}
    )
    assert refused["failed"] and "'who' value is too small" in refused["msg"], refused["msg"]
    assert jobs_of(controller) == []
    result = controller.verb("container_group_job", job_template="greet", **prompts)
    job = result["job"]
    assert (job["status"], job["container_group"], job["host_status_counts"]["ok"]) == (
        "successful",
        "asked for",
        2,
    ), result["msg"]
    for host in ("x", "y"):
        assert f"{host} ann red 7 deploy" in result["stdout"]
    for absent in ("z ann", "untagged"):
        assert absent not in result["stdout"]
    unasked = controller.verb("container_group_job", job_template="greet", job_type="check")
    assert unasked["failed"] and "ask_job_type_on_launch" in unasked["msg"], unasked["msg"]


def test_a_project_in_git(controller: Controller, define: Define, tmp_path: Path) -> None:
    role = Repository(tmp_path / "role")
    role.commit(
        {
            "meta/main.yml": json.dumps({"galaxy_info": {"author": "A"}}),
            "tasks/main.yml": json.dumps([{"ansible.builtin.debug": {"msg": "from the role"}}]),
        }
    )
    play: dict[str, Any] = {"hosts": "all", "gather_facts": False, "roles": ["web"]}
    required = [{"src": role.folder.as_uri(), "scm": "git", "name": "web"}]
    repository = Repository(tmp_path / "website")
    first = repository.commit(
        {"site.yml": json.dumps([play]), "roles/requirements.yml": json.dumps(required)}
    )
    define(
        TELLING,
        verb(
            "project",
            name="website",
            organization=SITE,
            scm_type="git",
            scm_url=repository.folder.as_uri(),
            scm_branch="main",
            scm_update_on_launch=True,
        ),
        verb("job_template", name="greet", organization=SITE, project="website"),
    )
    result = controller.verb("container_group_job", job_template="greet")
    assert (result["job"]["status"], result["job"]["scm_revision"]) == ("successful", first), result["msg"]
    assert "from the role" in result["stdout"]
    play["tasks"] = [{"ansible.builtin.debug": {"msg": "a new revision"}}]
    second = repository.commit({"site.yml": json.dumps([play])})
    result = controller.verb("container_group_job", job_template="greet")
    assert (result["job"]["status"], result["job"]["scm_revision"]) == ("successful", second), result["msg"]
    assert "a new revision" in result["stdout"]
    jobs = jobs_of(controller)
    assert [job.type for job in jobs] == ["job", "project_update"] * 2
    for update in (job for job in jobs if job.type == "project_update"):
        host = socket.gethostname()
        assert (update.status, update.launch_type) == ("successful", "sync")
        assert (update.execution_node, update.controller_node, update.container_group) == (host, host, None)


def test_a_job_on_the_controller_node(
    controller: Controller, define: Define, core: client.CoreV1Api, namespace: str
) -> None:
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    define(
        [
            {"name": "Tell", "ansible.builtin.command": "hostname", "register": "told"},
            {"ansible.builtin.debug": {"msg": "on {{ told.stdout }}"}},
        ],
        verb("inventory", name="hosts", organization=SITE, content={"all": {"hosts": {"here": here}}}),
        verb("job_template", name="greet", organization=SITE, instance_groups=["controlplane"]),
    )
    result = controller.verb("container_group_job", job_template="greet")
    job, host = result["job"], socket.gethostname()
    assert job["status"] == "successful", result["msg"]
    assert (job["execution_node"], job["controller_node"]) == (host, host)
    assert (job["container_group"], job["namespace"], job["pod_name"]) == (None, None, "")
    assert f"on {host}" in result["stdout"]
    assert [each["phase"] for each in job["start"]] == ["queued", "starting", "sending", "playbook"]
    assert job["start"][-1]["detail"] == "Tell"
    assert (job["resources"]["memory_peak"] > 0, job["resources"]["cpu_p95"]) == (True, None)
    assert core.list_namespaced_pod(namespace).items == []
