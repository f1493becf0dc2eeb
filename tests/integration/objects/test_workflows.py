# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows: what their nodes get, what follows when one fails, and what is left when they are cancelled."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL, job_pods
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import (
    GATED,
    SITE,
    Define,
    Task,
    definitions,
    jobs_of,
    verb,
)
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

TELLING: list[Task] = [
    {
        "name": "Tell",
        "ansible.builtin.debug": {
            "msg": "{{ inventory_hostname }} {{ who }} {{ colour | default('plain') }}"
        },
    },
    {"ansible.builtin.fail": {"msg": "as asked"}, "when": "fails | default(false)"},
    {"ansible.builtin.set_stats": {"data": {"colour": "{{ sets }}"}}, "when": "sets is defined"},
]
ASKS = {f"ask_{name}_on_launch": True for name in ("inventory", "limit", "variables")}
OTHERS = verb(
    "inventory", name="others", organization=SITE, content={"all": {"hosts": {"x": LOCAL, "y": LOCAL}}}
)
PROMPTS: Mapping[str, Any] = {"inventory": "others", "limit": "y", "extra_vars": {"who": "ann"}}


def node(identifier: str, runs: str, kind: str = "job_template", /, **fields: Any) -> dict[str, Any]:
    """A node; its links are given by `success="other"` and the like."""
    related = {
        f"{link}_nodes": [{"identifier": fields.pop(link)}]
        for link in ("success", "failure", "always")
        if link in fields
    }
    target = {"name": runs, "type": kind, "organization": {"name": SITE}}
    return {"identifier": identifier, "unified_job_template": target, "related": related, **fields}


def template(name: str, **options: Any) -> Task:
    return verb("job_template", name=name, organization=SITE, **options)


def workflow(name: str, *nodes: dict[str, Any], **options: Any) -> Task:
    return verb("workflow_job_template", name=name, organization=SITE, workflow_nodes=list(nodes), **options)


def of_nodes(controller: Controller) -> dict[str, JobRecord]:
    """The jobs of all nodes, by the nodes' identifiers."""
    return {job.workflow_node: job for job in jobs_of(controller) if job.workflow_node}


def test_nodes_get_what_is_for_them(controllers: Controller, kubeconfig: Path, namespace: str) -> None:
    launch = {"workflow_job_template": "release", **PROMPTS}
    played = controllers.play(
        [
            *definitions(kubeconfig, namespace, controllers.project(site=TELLING)),
            OTHERS,
            template("greet", **ASKS),
            template("quiet", copy_from="greet", extra_vars={"who": "nobody"}, **dict.fromkeys(ASKS, False)),
            template("gone", copy_from="greet", playbook="gone.yml"),
            workflow("inner", node("inside", "greet"), **ASKS),
            workflow(
                "release",
                node("choose", "greet", extra_data={"sets": "green", "who": "bob"}, success="inner"),
                node("inner", "inner", "workflow_job_template"),
                node("fail", "greet", extra_data={"fails": True}, success="never", failure="quiet"),
                node("quiet", "quiet"),
                node("broken", "gone", success="never", failure="mend"),
                node("mend", "site", "project"),
                node("never", "greet"),
            ),
            {**verb("workflow_job", **launch), "ignore_errors": True},
            workflow("release", **ASKS),
            verb("workflow_job", **launch),
        ]
    )
    assert played.rc == 0, played.terminal
    unasked, _asks, result = played.results["localhost"][-3:]
    assert unasked["failed"] and "ask_inventory_on_launch" in unasked["msg"]
    job = result["job"]
    assert (job["id"], job["status"]) == (1, "successful"), result["msg"]
    jobs = of_nodes(controllers)
    ended = {name: (record.type, record.status) for name, record in jobs.items()}
    assert ended == {
        "choose": ("job", "successful"),
        "inner": ("workflow_job", "successful"),
        "inside": ("job", "successful"),
        "fail": ("job", "failed"),
        "quiet": ("job", "successful"),
        "broken": ("job", "error"),
        "mend": ("project_update", "successful"),
    }
    assert {part["workflow_node"] for part in job["slices"]} == set(ended) - {"inside"}
    assert jobs["inside"].parent_id == jobs["inner"].id
    failure = jobs["broken"].failure
    assert failure is not None and failure["reason"] == "PlaybookNotFound"
    assert "gone.yml" in failure["message"]
    told = {
        name: sorted(
            event["event_data"]["res"]["msg"]
            for event in controllers.events(record.id)
            if "msg" in event.get("event_data", {}).get("res", {})
        )
        for name, record in jobs.items()
    }
    assert {name: words for name, words in told.items() if words} == {
        "choose": ["y ann plain"],
        "inside": ["y ann green"],
        "fail": ["as asked", "y ann plain"],
        "quiet": ["a ann plain", "b ann plain"],  # variables go to all nodes, whatever their templates ask
    }


def at_the_gate(controller: Controller, after: int = 0) -> list[JobRecord]:
    """Waits until two jobs run their playbooks; returns them.

    Args:
        controller: who has launched them.
        after: number of the last job that was there before.
    """

    def waiting() -> list[JobRecord]:
        return [job for job in jobs_of(controller) if job.id > after and job.pod_name and job.event_count]

    until(lambda: len(waiting()) == 2, "two jobs to come to the gate")
    return waiting()


def test_a_cancelled_workflow_cancels_what_runs_in_it(
    controller: Controller, define: Define, core: client.CoreV1Api, namespace: str
) -> None:
    define(
        GATED,
        verb("container_group", name="pods", max_forks=100),
        template("greet"),
        workflow("inner", node("inside", "greet")),
        workflow(
            "release",
            node("outside", "greet", always="after"),
            node("inner", "inner", "workflow_job_template", always="after"),
            node("after", "greet"),
        ),
    )
    controller.verb("workflow_job", workflow_job_template="release", wait=False)
    look_at_the_group(controller, at_the_gate(controller))
    told = controller.verb("job_cancel", job_id=1)
    assert (told["job"]["type"], told["job"]["status"]) == ("workflow_job", "canceled"), told["msg"]
    (group,) = controller.verb("object_info", kind="container_group", name="pods")["objects"]
    assert (group["jobs_running"], group["consumed_forks"], group["jobs"]) == (0, 0, [])

    last = jobs_of(controller)[-1].id
    with controller.playing([verb("workflow_job", workflow_job_template="release")]) as running:
        at_the_gate(controller, after=last)
        os.kill(running.process.pid, signal.SIGINT)
        running.process.wait()
    until(lambda: not controller.processes(), "the job process to end")

    jobs = jobs_of(controller)
    assert sorted((job.workflow_node, job.status) for job in jobs) == [
        (name, "canceled") for name in ("", "inner", "inside", "outside") for _turn in range(2)
    ]
    assert all(job.pod_deleted for job in jobs if job.pod_name)
    assert job_pods(core, namespace) == []


def look_at_the_group(controller: Controller, running: list[JobRecord]) -> None:
    """The container group tells which jobs run in it, and can't be deleted because of them."""
    played = controller.play(
        [
            verb("object_info", kind="container_group", name="pods"),
            {**verb("container_group", name="pods", state="absent"), "ignore_errors": True},
        ]
    )
    shown, refused = played.results["localhost"]
    (group,) = shown["objects"]
    assert (group["jobs_running"], group["consumed_forks"]) == (2, 2 * 3)  # of two hosts each
    assert group["controller_nodes"] == [socket.gethostname()]
    assert group["jobs"] == [
        {
            "id": job.id,
            "name": "greet",
            "type": "job",
            "status": "running",
            "pod_name": job.pod_name,
            "controller_node": socket.gethostname(),
        }
        for job in running
    ]
    assert refused["failed"]
    for job in running:
        assert f"job {job.id} (greet), which has not ended" in refused["msg"]
