# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many ansible-playbook processes with one store: nothing is doubled, and capacity holds for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import (
    GATED,
    Define,
    Task,
    definitions,
    jobs_of,
    open_gate,
    verb,
)
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, Running, until
from kubernetes import client

CROWD = 10
LAUNCHERS = 6
ROOM = 2
GREETING: list[Task] = [{"name": "Greet", "ansible.builtin.debug": {"msg": "hello"}}]


def started(stack: ExitStack, controller: Controller, count: int, tasks: Sequence[Task]) -> list[Running]:
    """As many processes as that, each with these tasks."""
    others = [controller.elsewhere(f"terminal{number}") for number in range(count)]
    return [stack.enter_context(other.playing(tasks)) for other in others]


def test_ten_that_define_the_same_and_launch(
    controllers: Controller, kubeconfig: Path, namespace: str
) -> None:
    tasks = definitions(kubeconfig, namespace, controllers.project(site=GREETING))
    with ExitStack() as stack:
        crowd = started(
            stack, controllers, CROWD, [*tasks, verb("container_group_job", job_template="greet")]
        )
        told = [running.results() for running in crowd]
    terminals = [running.terminal for running in crowd]
    assert [running.process.returncode for running in crowd] == [0] * CROWD, terminals
    # Of each object one of them made it, and all others found it as it should be.
    for made in list(zip(*told, strict=True))[: len(tasks)]:
        assert sorted(result["changed"] for result in made) == [False] * (CROWD - 1) + [True]
        assert len({result["id"] for result in made}) == 1
    launched = [results[-1]["job"] for results in told]
    assert [job["status"] for job in launched] == ["successful"] * CROWD
    jobs = jobs_of(controllers)
    assert {job.id for job in jobs} == {job["id"] for job in launched}
    assert len({job.pod_name for job in jobs}) == len(jobs) == CROWD
    with controllers.opened() as store:
        counts = {kind: len(store.objects.list(kind)) for kind in KINDS}
    made_once = {
        "execution_environment": 1,
        "inventory": 1,
        "job_template": 1,
        "organization": 1,
        "project": 1,
    }
    assert {kind: count for kind, count in counts.items() if count} == {
        **made_once,
        "container_group": 2,  # and the one that is built in
    }


class Watched:
    """The jobs of a store, and the most that ran at once."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.most = 0

    def jobs(self) -> list[JobRecord]:
        jobs = jobs_of(self._controller)
        self.most = max(self.most, len([job for job in jobs if job.status in ("waiting", "running")]))
        return jobs

    def in_status(self, status: str) -> list[JobRecord]:
        return [job for job in self.jobs() if job.status == status]


@pytest.mark.parametrize("controllers", ["postgresql"], indirect=True)  # where several may write at once
def test_capacity_across_processes(
    controllers: Controller, kubeconfig: Path, namespace: str, core: client.CoreV1Api
) -> None:
    tasks = definitions(kubeconfig, namespace, controllers.project(site=GATED))
    narrow = verb("container_group", name="pods", max_concurrent_jobs=ROOM)
    assert controllers.play([*tasks, narrow]).rc == 0
    watched = Watched(controllers)
    opened: list[str] = []

    def at_the_gate() -> list[JobRecord]:
        """Jobs whose pods run, and which the test has not let go on yet, the oldest first."""
        pods = core.list_namespaced_pod(namespace).items
        running = {
            str(pod.metadata.name)
            for pod in pods
            if pod.metadata and pod.status and pod.status.phase == "Running"
        } - set(opened)
        assert len(running) <= ROOM
        return [job for job in watched.jobs() if job.pod_name in running]

    def all_explained() -> bool:
        pending = watched.in_status("pending")
        return len(pending) == LAUNCHERS - ROOM and all(job.job_explanation for job in pending)

    with ExitStack() as stack:
        crowd = started(stack, controllers, LAUNCHERS, [verb("container_group_job", job_template="greet")])
        until(lambda: len(at_the_gate()) == ROOM and all_explained(), "two to run and the others to wait")
        words = {job.job_explanation for job in watched.in_status("pending")}
        came: list[int] = []
        while len(opened) < LAUNCHERS:
            room = min(ROOM, LAUNCHERS - len(opened))
            until(lambda: len(at_the_gate()) == room, "another job to come to the gate")  # noqa: B023
            oldest = at_the_gate()[0]
            came.append(oldest.id)
            open_gate(core, namespace, oldest.pod_name)
            opened.append(oldest.pod_name)
        told = [running.result() for running in crowd]
        terminals = [" ".join(running.terminal.split()) for running in crowd]
    assert [result["job"]["status"] for result in told] == ["successful"] * LAUNCHERS
    assert came == sorted(came)  # they have their turns in the order in which they were launched
    assert watched.most == ROOM
    assert any("pods has 2 of 2 jobs (max_concurrent_jobs)" in text for text in words), words
    assert len([text for text in terminals if "pending: " in text]) >= LAUNCHERS - ROOM


def test_overflow_to_the_next_group(
    controller: Controller, define: Define, namespace: str, core: client.CoreV1Api
) -> None:
    define(
        GATED,
        verb("container_group", name="pods", max_concurrent_jobs=1),
        verb("container_group", name="second", copy_from="pods", max_concurrent_jobs=0),
        verb(
            "job_template",
            name="greet",
            organization="Operations",
            instance_groups=["pods", "second"],
            ask_variables_on_launch=True,
        ),
    )
    launches: list[dict[str, Any]] = [
        {"wait": False},
        {"extra_vars": {"free": True}},
    ]
    played = controller.play(
        [verb("container_group_job", job_template="greet", **launch) for launch in launches]
    )
    assert played.rc == 0, played.terminal
    first, second = jobs_of(controller)
    assert (second.container_group, second.status) == ("second", "successful")
    until(lambda: jobs_of(controller)[0].status == "running", "the first job to run")
    assert jobs_of(controller)[0].container_group == "pods"
    open_gate(core, namespace, jobs_of(controller)[0].pod_name)
    ended = controller.verb("job_wait", job_id=first.id)
    assert (ended["job"]["status"], ended["job"]["container_group"]) == ("successful", "pods")
