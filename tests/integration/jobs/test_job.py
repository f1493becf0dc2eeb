# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job from its launch to its result, with every option that shapes the inner run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]


def test_the_result_tells_the_whole_job(controller: Controller, job: Options, namespace: str) -> None:
    site: list[Options] = [
        {"name": "Write", "ansible.builtin.copy": {"content": "x", "dest": "/var/tmp/x", "mode": "0600"}},
        {"ansible.builtin.set_stats": {"data": {"release": "1.2", "nested": {"ä": [1, None]}}}},
    ]
    controller.project(site=site)
    result = controller.verb("container_group_job", **job)
    assert (result["changed"], result["failed"], result["stdout_truncated"]) == (True, False, False)
    assert "TASK [Write]" in result["stdout"]
    facts = result["job"]
    assert isinstance(facts["id"], int)
    assert facts["elapsed"] > 0
    assert facts["event_count"] > 5
    assert re.fullmatch(r"automation-job-\d+-[0-9a-f]{10}", facts["pod_name"])
    assert facts["artifacts"] == {"release": "1.2", "nested": {"ä": [1, None]}}
    assert facts["started"] < facts["finished"] or facts["started"] == facts["finished"]
    expected: dict[str, Any] = {
        "type": "job",
        "name": "site.yml",
        "status": "successful",
        "failure": None,
        "job_explanation": "",
        "result_traceback": "",
        "container_group": None,
        "namespace": namespace,
        "execution_node": "node1",
        "host_status_counts": {"ok": 0, "changed": 1, "failed": 0, "unreachable": 0, "skipped": 0},
        "slices": [],
    }
    assert {key: facts[key] for key in expected} == expected


def test_the_terminal_shows_the_steps_and_the_inner_play(controller: Controller, job: Options) -> None:
    played = controller.play([{"name": "Outer", "jobpods.controller.container_group_job": job}])
    assert played.rc == 0
    seen = [
        "TASK [Outer]",
        "image localhost/jobpods-job:latest",
        "created in namespace",
        "running on node node1",
        "TASK [Greet]",
        "hello from the pod",
        "PLAY RECAP",
        "successful in",
    ]
    places = [played.terminal.find(text) for text in seen]
    assert -1 not in places, played.terminal
    assert places == sorted(places), played.terminal


def test_a_run_that_changes_nothing_is_not_changed(controller: Controller, job: Options) -> None:
    result = controller.verb("container_group_job", **job)
    assert (result["changed"], result["job"]["host_status_counts"]["ok"]) == (False, 1)


def test_check_mode_runs_the_playbook_in_check_mode(controller: Controller, job: Options) -> None:
    site: list[Options] = [
        {"ansible.builtin.copy": {"content": "x\n", "dest": "/var/tmp/x", "mode": "0600"}},
        {"ansible.builtin.stat": {"path": "/var/tmp/x"}, "register": "x"},
        {"ansible.builtin.debug": {"msg": "check={{ ansible_check_mode }} there={{ x.stat.exists }}"}},
    ]
    controller.project(site=site)
    outer = controller.verb("container_group_job", "--check", "--diff", **job)
    assert outer["changed"]
    assert "check=True there=False" in outer["stdout"]
    assert "+x" in outer["stdout"]
    inner = controller.verb("container_group_job", **{**job, "job_type": "check"})
    assert "check=True there=False" in inner["stdout"]
    assert "+x" not in inner["stdout"]


def test_options_reach_the_inner_run(controller: Controller, job: Options) -> None:
    def told(text: str, **more: Any) -> dict[str, Any]:
        return {"ansible.builtin.debug": {"msg": text}, **more}

    site = [
        told("before"),
        {**told("first"), "name": "Start"},
        told("tagged {{ who }} forks={{ ansible_forks }} {{ ansible_verbosity }}", tags=["yes"]),
        told("left out", tags=["yes", "no"]),
        told("untagged"),
    ]
    controller.project(site=site)
    hosts = {"one": LOCAL, "two": LOCAL, "three": LOCAL}
    result = controller.verb(
        "container_group_job",
        **{
            **job,
            "name": "All options",
            "inventory": {"all": {"hosts": hosts}},
            "extra_vars": {"who": 'a "b" $(d)'},
            "limit": "one:two",
            "job_tags": ["yes"],
            "skip_tags": ["no"],
            "forks": 3,
            "verbosity": 2,
            "become_enabled": True,
        },
    )
    assert result["job"]["name"] == "All options"
    assert result["job"]["host_status_counts"]["ok"] == 2
    assert 'tagged a \\"b\\" $(d) forks=3 2' in result["stdout"]
    for absent in ("before", "left out", "untagged", "three"):
        assert absent not in result["stdout"]


def debug(message: str) -> Options:
    return {"ansible.builtin.debug": {"msg": message}}


def test_output_that_was_shown_is_not_shown_again_in_a_result(controller: Controller, job: Options) -> None:
    """Neither by -v, where the task ends well, nor where it fails and nobody could read its result."""
    launch = {"jobpods.controller.container_group_job": job}
    played = controller.play([launch], "-v")
    assert played.terminal.count("hello from the pod") == 1, played.terminal
    assert "hello from the pod" in played.result["stdout"]
    controller.project(site=[{"name": "Break", "ansible.builtin.fail": {"msg": "hello from the pod"}}])
    book: list[Options] = [{"hosts": "localhost", "gather_facts": False, "tasks": [launch]}]
    controller.write("book.yml", book)
    rc, terminal = controller.ansible_playbook("book.yml")
    assert rc == 2, terminal
    assert terminal.count("TASK [Break]") == 1
    (fatal,) = re.findall(r"^fatal: \[localhost\]: FAILED! => (.*)$", terminal, re.MULTILINE)
    assert json.loads(fatal).keys() == {"changed", "id", "msg", "status"}
    failed = "ansible_failed_result"
    rescue = debug(f"{{{{ {failed}.job.failure.reason }}}} {{{{ {failed}.stdout is defined }}}}")
    book[0]["tasks"] = [{"block": [launch], "rescue": [rescue]}]
    controller.write("book.yml", book)
    rc, terminal = controller.ansible_playbook("book.yml")
    assert rc == 0, terminal
    assert '"PlaybookFailed True"' in terminal


def test_start_at_task(controller: Controller, job: Options) -> None:
    site: list[Options] = [
        {"ansible.builtin.debug": {"msg": "before"}},
        {"name": "Start", "ansible.builtin.debug": {"msg": "after"}},
    ]
    controller.project(site=site)
    result = controller.verb("container_group_job", **{**job, "start_at_task": "Start"})
    assert "after" in result["stdout"]
    assert "before" not in result["stdout"]


def test_vaulted_content_is_read_with_its_credential(
    controller: Controller, job: Options, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("very secret")
    controller.project(
        site="[{hosts: all, gather_facts: false, vars_files: [v.yml], tasks: [{debug: {var: v}}]}]"
    )
    vaulted = controller.write("project/v.yml", "v: from the vault\n")
    controller.vault("encrypt", "--vault-id", f"prod@{password}", str(vaulted))
    credential = {"credential_type": "vault", "inputs": {"vault_id": "prod", "vault_password": "very secret"}}
    result = controller.verb("container_group_job", **{**job, "credentials": [credential]})
    assert '"v": "from the vault"' in result["stdout"]


def test_the_inventory_of_the_calling_play(controller: Controller, job: Options) -> None:
    hosts = {"web1": {**LOCAL, "port": 80}, "web2": {**LOCAL, "port": 81}, "db1": LOCAL}
    inventory = controller.write(
        "hosts.yml",
        {
            "all": {
                "hosts": hosts,
                "children": {"web": {"hosts": {"web1": {}, "web2": {}}, "vars": {"role": "{{ 'x' }}"}}},
            }
        },
    )
    controller.project(
        site=[{"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} {{ port }} {{ role }}"}}]
    )
    result = controller.verb(
        "container_group_job", "-i", str(inventory), **{**job, "inventory": "current", "limit": "web"}
    )
    assert result["job"]["host_status_counts"]["ok"] == 2, result["msg"]
    assert '"web1 80 x"' in result["stdout"]
    assert '"web2 81 x"' in result["stdout"]


def test_the_variables_of_a_mapping_are_data(controller: Controller, job: Options) -> None:
    controller.project(site=[{"ansible.builtin.debug": {"msg": "it is {{ who }}"}}])
    evil = {"ansible.builtin.command": "echo '{{ '{{' }} 6 * 7 }}'"}
    inventory = {"all": {"hosts": {"here": {**LOCAL, "who": "{{ result_0.stdout }}"}}}}
    launch = {"jobpods.controller.container_group_job": {**job, "inventory": inventory}}
    _printed, result = controller.play([evil, launch]).results["localhost"]
    assert "it is {{ 6 * 7 }}" in result["stdout"], result["msg"]


def test_the_connection_of_the_environment(controller: Controller, job: Options, kubeconfig: Path) -> None:
    del job["container_group"]["kubeconfig"]
    result = controller.verb("container_group_job", environ={"K8S_AUTH_KUBECONFIG": str(kubeconfig)}, **job)
    assert result["job"]["status"] == "successful", result["msg"]


@pytest.mark.parametrize("kind", ["folder", "file", "hosts"])
def test_inventories_are_found_by_path(controller: Controller, job: Options, kind: str) -> None:
    controller.project(site=[{"ansible.builtin.debug": {"msg": "{{ inventory_hostname }}/{{ color }}"}}])
    local = " ".join(f"{key}={value}" for key, value in LOCAL.items())
    controller.write("inventories/hosts", f"web1 {local}\n")
    controller.write("inventories/group_vars/all.yml", {"color": "blue"})
    inventory: Any = {"folder": "inventories", "file": "inventories/hosts", "hosts": "web1,"}[kind]
    extra = {} if kind != "hosts" else {"extra_vars": {"color": "blue", **LOCAL}}
    result = controller.verb("container_group_job", **{**job, "inventory": inventory, **extra})
    assert '"web1/blue"' in result["stdout"], result["msg"]
