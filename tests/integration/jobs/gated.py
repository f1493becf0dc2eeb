# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that waits at a gate, and what may happen there to its process and its store."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import GATED
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, Running, until
from kubernetes import client

Options = dict[str, Any]
BEFORE, AFTER = "before the gate", "after the gate"
ENDED = re.compile(r"\x1eJP1 ended ")
SITE: list[Options] = [
    {"ansible.builtin.debug": {"msg": f"{BEFORE} {{{{ item }}}}"}, "loop": ["one", "two", "three"]},
    *GATED,
    {"ansible.builtin.debug": {"msg": AFTER}},
    {"ansible.builtin.set_stats": {"data": {"gate": "passed"}}},
]


def row(controller: Controller, job_id: int) -> JobRecord:
    """The job as the store has it; to ask a module would have it adopted."""
    with controller.opened() as store:
        return store.get(job_id)


def kill(controller: Controller, number: int = signal.SIGKILL) -> None:
    """Kills the job processes; what Ansible itself has started goes on."""
    killed = []
    for pid in controller.processes():
        if b"/entry.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, number)
            killed.append(pid)
    assert killed
    if number == signal.SIGKILL:
        until(lambda: not set(killed) & set(controller.processes()), "the job process to end")


def reach_the_gate(controller: Controller, job_id: int) -> JobRecord:
    """Waits until the playbook does."""
    until(lambda: row(controller, job_id).event_count >= 7, "the playbook to reach the gate")
    return row(controller, job_id)


def launch_to_the_gate(controller: Controller, job: Options) -> tuple[int, str]:
    """Launches a job detached, and waits until it is at the gate; returns its id and the name of its pod."""
    launch = {**job, "project": str(controller.project(site=SITE)), "wait": False}
    job_id = controller.verb("container_group_job", **launch)["job"]["id"]
    return job_id, reach_the_gate(controller, job_id).pod_name


def await_end_of_run(core: client.CoreV1Api, namespace: str, pod: str) -> None:
    """Waits until the supervisor says that the run has ended, whether anybody has stored that or not."""

    def ended() -> bool:
        try:
            log = core.read_namespaced_pod_log(pod, namespace, container="worker")
        except client.ApiException as refused:  # it runs, but the kubelet has not said so yet
            if refused.status != 400:
                raise
            return False
        return bool(ENDED.search(log))

    until(ended, "the run to end")


def check_whole(controller: Controller, result: Options) -> None:
    """The job was successful, and all of its events are there once and in order."""
    assert result["job"]["status"] == "successful", result["msg"]
    assert result["job"]["artifacts"] == {"gate": "passed"}
    counters = [event["counter"] for event in controller.events(result["job"]["id"])]
    assert counters == list(range(1, result["job"]["event_count"] + 1))
    for text in (f"{BEFORE} one", f"{BEFORE} two", f"{BEFORE} three", AFTER, "PLAY RECAP"):
        assert result["stdout"].count(text) == 1, result["stdout"]


def check_shown_once(running: Running) -> None:
    """The terminal has each line of it once."""
    terminal = " ".join(running.terminal.split())
    for text in (f"{BEFORE} one", f"{BEFORE} three", AFTER):
        assert terminal.count(f'"msg": "{text}"') == 1, terminal


def age(controller: Controller) -> None:
    """Lets a minute of silence pass, for the store; to wait for it would only take long."""
    with sqlite3.connect(next(controller.store.glob("*.db"))) as database:
        database.execute("update jobs set heartbeat = heartbeat - 100")
    database.close()
