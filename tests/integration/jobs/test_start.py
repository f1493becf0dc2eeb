# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job tells what its start went through, and what it used, on the real cluster."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]

MIB = 1 << 20
TAKEN = 200 * MIB
"""Bytes of memory that the job takes, beside what Ansible itself needs."""
TAKE = {
    "name": "Take memory",
    "ansible.builtin.command": {"argv": ["python3", "-c", f"print(len(bytearray({TAKEN})))"]},
}
ORDER = (
    "queued",
    "creating",
    "quota",
    "scheduling",
    "starting",
    "pulling",
    "connecting",
    "sending",
    "playbook",
)
PENDING = 10


def phases(job: dict[str, Any]) -> dict[str, str]:
    """The details of the phases that a job's start went through, which must come in their order."""
    names = [each["phase"] for each in job["start"]]
    assert names == sorted(names, key=ORDER.index)
    assert all(each["seconds"] >= 0 and re.fullmatch(r"20\S+Z", each["at"]) for each in job["start"])
    return {each["phase"]: each["detail"] for each in job["start"]}


def test_a_job_tells_of_its_start_and_what_it_used(controller: Controller, job: Options) -> None:
    controller.project(site=[TAKE, {"name": "Last", "ansible.builtin.debug": {"msg": "done"}}])
    limits = {"cpu": "2", "memory": "1Gi"}
    worker: Options = {"name": "worker", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    requests = {"cpu": "10m", "memory": "64Mi"}
    worker["resources"] = {"requests": requests, "limits": limits}
    job["container_group"]["pod_spec_override"] = {"spec": {"containers": [worker]}}
    played = controller.play([{"jobpods.controller.container_group_job": job}], "-v")
    facts = played.result["job"]
    assert facts["status"] == "successful", played.result["msg"]

    told = phases(facts)
    assert {"queued", "creating", "scheduling", "sending", "playbook"} <= set(told)
    assert told["scheduling"].startswith("on node node1")  # it may have had to wait for room there
    assert told["sending"].startswith("payload of ")
    assert told["playbook"] == "Take memory"
    (attempt,) = facts["attempts"]
    assert attempt["start"] == facts["start"]
    (line,) = [each for each in played.terminal.splitlines() if "first task after " in each]
    assert f"job {facts['id']}: first task after " in line
    assert "playbook " in line

    used = facts["resources"]
    assert TAKEN <= used["memory_peak"] < TAKEN + 400 * MIB
    assert used["cpu_seconds"] > 0
    assert used["cpu_p95"] > 0
    assert (used["requests"], used["limits"]) == (requests, limits)
    suggested = used["suggested_requests"]
    assert int(suggested["memory"].removesuffix("Mi")) == -(-used["memory_peak"] * 5 // (4 * MIB))
    assert re.fullmatch(r"[0-9]*0m", suggested["cpu"])

    (found,) = controller.verb("job_info", job_id=facts["id"])["jobs"]
    assert (found["start"], found["resources"]) == (facts["start"], used)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a registry that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_start_that_comes_to_nothing_says_where_it_stood(
    controller: Controller, job: Options, silent: str
) -> None:
    group = {**job["container_group"], "pod_pending_timeout": PENDING}
    pull = {"image": f"{silent}/image:latest", "pull": "always"}
    small = {"name": "worker", "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    jobs = {
        "nowhere": {**group, "pod_spec_override": {"spec": {"nodeSelector": {"disk": "ssd"}}}},
        "pull": {
            **group,
            "execution_environment": pull,
            "pod_spec_override": {"spec": {"containers": [small]}},
        },
    }
    played = controller.side_by_side({name: {**job, "container_group": each} for name, each in jobs.items()})
    starts = {name: phases(result["job"]) for name, (result,) in played.results.items()}
    assert list(starts["nowhere"]) == ["queued", "creating", "scheduling"]
    assert "No node takes the pod: 0/1 nodes" in starts["nowhere"]["scheduling"]
    assert list(starts["pull"]) == ["queued", "creating", "scheduling", "pulling"]
    assert f'Pulling image "{silent}/image:latest"' in starts["pull"]["pulling"]
    assert all(result["job"]["resources"] is None for (result,) in played.results.values())
