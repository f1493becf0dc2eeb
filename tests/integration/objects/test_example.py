# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example: it defines a site, and runs all kinds of jobs on it; defined again, nothing changes."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import jobs_of
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

TASK = re.compile(r"^TASK \[(.*?)\] \**$", re.MULTILINE)
JOBS = [
    ("workflow_job", "example report", "successful"),
    ("job", "example report 1/2", "successful"),
    ("job", "example report 2/2", "successful"),
    ("workflow_job", "example release", "successful"),
    ("project_update", "example site", "successful"),
    ("job", "example deploy", "successful"),
    ("job", "example check", "failed"),
    ("job", "example roll back", "successful"),
    ("ad_hoc_command", "command", "successful"),
    ("project_update", "example site", "successful"),
    ("inventory_update", "example file", "successful"),
]
"""What a run of it launches, in this order."""


def statuses(terminal: str) -> dict[str, set[str]]:
    """What became of each task of a run: `ok`, `changed`..."""
    parts = TASK.split(terminal)[1:]
    return {
        name: set(re.findall(r"^(ok|changed|skipping|failed|fatal): \[localhost\]", text, re.MULTILINE))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_the_example(controllers: Controller, kubeconfig: Path, namespace: str) -> None:
    given = [f"kubeconfig={kubeconfig}", f"pod_namespace={namespace}", f"image={IMAGE}"]
    command = ["jobpods.controller.example", *(word for each in given for word in ("-e", each))]
    for turn, status in enumerate(("changed", "ok")):
        rc, terminal = controllers.ansible_playbook(*command)
        assert rc == 0, terminal
        defining = {
            name: told for name, told in statuses(terminal).items() if name.startswith(("Have ", "Make "))
        }
        assert len(defining) > 15
        assert defining == dict.fromkeys(defining, {status})
        check_jobs(jobs_of(controllers)[turn * len(JOBS) :])
        assert "2.0-beta is not good enough for web1" in terminal
        assert "2.0-beta is taken back on web3" in terminal
        summary = " ".join(terminal.partition("TASK [Sum up]")[2].split())
        assert re.search(r"Job \d+ \(example report\) successful in [\d.]+ s: 4 ok", summary), summary
    with controllers.opened() as store:
        (lab,) = store.objects.list("inventory", name="example lab")
        (source,) = store.inventories.contents(lab["id"])
    assert set(source.listing["lab"]["hosts"]) == {"lab1", "lab2"}


def check_jobs(jobs: list[JobRecord]) -> None:
    assert [(job.type, job.name, job.status) for job in jobs] == JOBS
    here = socket.gethostname()
    for job in jobs:
        assert job.controller_node == here
        if job.type in ("job", "ad_hoc_command"):
            assert (job.container_group, job.execution_node) == ("example pods", "node1")
            assert job.pod_name
        else:
            assert (job.container_group, job.execution_node, job.pod_name) == (None, here, "")
    report, first, second, release, fetch, deploy, check, back, _command, _update, _inventory = jobs
    assert [job.parent_id for job in (first, second)] == [report.id] * 2
    assert [job.parent_id for job in (fetch, deploy, check, back)] == [release.id] * 4
    assert [job.workflow_node for job in (fetch, deploy, check, back)] == [
        "fetch",
        "deploy",
        "check",
        "roll back",
    ]
    assert deploy.artifacts == {"deployed": "2.0-beta"}
    assert deploy.scm_revision == check.scm_revision == back.scm_revision != ""
