# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever has run is launched again, on all of its hosts or on those that failed."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import (
    SITE,
    Define,
    Task,
    jobs_of,
    verb,
)
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

SERVING: list[Task] = [
    {"name": "Reach", "ansible.builtin.raw": "true", "changed_when": False},
    {
        "block": [{"ansible.builtin.fail": {"msg": "at first"}, "when": "shaky | default(false)"}],
        "rescue": [{"ansible.builtin.debug": {"msg": "rescued"}}],
    },
    {
        "name": "Serve",
        "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} serves"},
        "failed_when": "broken | default(false)",
    },
]
SLICES = ("ace", "bdf")
"""The hosts a to f in two slices."""
AWAY = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


def hosts(**different: dict[str, Any]) -> Task:
    """The hosts a to f, which are the pod itself, but for these."""
    content = {"all": {"hosts": {**{name: LOCAL for name in "abcdef"}, **different}}}
    return verb("inventory", name="hosts", organization=SITE, content=content)


def attempt(module: str, /, **options: Any) -> Task:
    """A task that may fail."""
    return {**verb(module, **options), "ignore_errors": True}


def test_jobs_of_all_kinds_are_launched_again(controller: Controller, define: Define) -> None:
    lab = controller.write("lab.yml", {"all": {"hosts": {"lab1": None}}})
    gone = {"name": "gone", "type": "job_template", "organization": {"name": SITE}}
    site = {"name": "site", "type": "project", "organization": {"name": SITE}}
    define(
        SERVING,
        hosts(a={**LOCAL, "broken": True}, c=AWAY, e={**LOCAL, "shaky": True}),
        verb("job_template", name="greet", organization=SITE, job_slice_count=2),
        verb("job_template", name="gone", organization=SITE, copy_from="greet", playbook="gone.yml"),
        verb("inventory", name="lab", organization=SITE),
        verb("inventory_source", name="lab file", inventory="lab", source="file", source_path=str(lab)),
        verb(
            "workflow_job_template",
            name="release",
            organization=SITE,
            workflow_nodes=[
                {
                    "identifier": "try",
                    "unified_job_template": gone,
                    "related": {"failure_nodes": [{"identifier": "check"}]},
                },
                {"identifier": "check", "unified_job_template": site},
            ],
        ),
    )
    first = controller.play(
        [
            attempt("container_group_job", job_template="greet"),
            attempt("ad_hoc_command", inventory="hosts", module_args="true"),
            verb("inventory_update", inventory_source="lab file"),
            verb("workflow_job", workflow_job_template="release"),
        ]
    )
    sliced, command, update, release = (result["job"] for result in first.results["localhost"])
    assert [job["status"] for job in (sliced, command, update, release)] == [
        "failed",
        "failed",
        "successful",
        "successful",
    ], first.terminal
    one, two = sliced["slices"]
    counts = one["host_status_counts"]
    assert (counts["ok"], counts["failed"], counts["unreachable"]) == (1, 1, 1)
    assert command["host_status_counts"]["unreachable"] == 1
    tried, checked = release["slices"]
    assert (tried["status"], checked["type"]) == ("error", "project_update")

    made = len(jobs_of(controller))
    refused = {
        "hosts: failed is for jobs and ad hoc commands, but job": (sliced["id"], "failed"),
        f"hosts: no host of job {two['id']} failed": (two["id"], "failed"),
        f"job {update['id']} is of type inventory_update": (update["id"], "failed"),
        f"job {tried['id']} never began": (tried["id"], "all"),
        "there is no job 999": (999, "all"),
    }
    played = controller.play(
        [attempt("job_relaunch", job_id=number, hosts=which) for number, which in refused.values()]
    )
    for words, result in zip(refused, played.results["localhost"], strict=True):
        assert result["failed"] and words in result["msg"]
    assert len(jobs_of(controller)) == made

    again = controller.play(
        [
            hosts(),
            *(
                verb("job_relaunch", job_id=number, hosts=which)
                for number, which in (
                    (one["id"], "failed"),
                    (command["id"], "failed"),
                    (sliced["id"], "all"),
                    (update["id"], "all"),
                    (checked["id"], "all"),
                    (release["id"], "all"),
                )
            ),
            verb("inventory_source", name="lab file", inventory="lab", state="absent"),
            attempt("job_relaunch", job_id=update["id"]),
        ]
    )
    _mended, *results, _removed, without = again.results["localhost"]
    for result, before in zip(results, (one, command, sliced, update, checked, release), strict=True):
        job = result["job"]
        assert (job["status"], job["launch_type"]) == ("successful", "relaunch"), result["msg"]
        assert (job["type"], job["name"]) == (before["type"], before["name"]) and job["id"] > made
    assert served(results[0]["stdout"]) == "ac"
    assert (results[0]["job"]["job_slice_number"], results[0]["job"]["job_slice_count"]) == (0, 1)
    assert re.findall(r"^(\w+) \| ", results[1]["stdout"], re.MULTILINE) == ["c"]
    with controller.opened() as store:
        for part, names in zip(results[2]["job"]["slices"], SLICES, strict=True):
            assert served(store.stdout(part["id"], 1 << 20)[0]) == names
    assert [part["workflow_node"] for part in results[5]["job"]["slices"]] == ["try", "check"]
    assert without["failed"] and "inventory source" in without["msg"]


def served(stdout: str) -> str:
    """The hosts that a job ran on."""
    return "".join(sorted(name for name in "abcdef" if f"{name} serves" in stdout))
