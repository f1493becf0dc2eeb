# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More jobs than a namespace's quota has room for: they take turns, and those that wait say why."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import set_quota
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, side_by_side
from kubernetes import client

Options = dict[str, Any]

ROOM, JOBS = 2, 6
QUOTA = "two-pods"


def test_a_quota_lets_jobs_run_two_at_a_time(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    set_quota(core, namespace, QUOTA, ROOM)
    controller.project(site=[{"name": "Take a while", "ansible.builtin.pause": {"seconds": 2}}])
    names = [f"job{number}" for number in range(JOBS)]
    task, play, hosts = side_by_side({name: job for name in names})
    with (
        controller.opened() as store,
        controller.playing(task, *hosts, hosts="all", play=play) as running,
    ):
        running.await_text("waiting for quota: ")
        most, told = 0, ""
        while running.process.poll() is None:
            most = max(most, len(core.list_namespaced_pod(namespace).items))
            told = told or "".join(each.job_explanation for each in store.list() if each.status == "pending")
            time.sleep(0.1)
        ended = store.list()
        terminal = running.terminal
    assert [each.status for each in ended] == ["successful"] * JOBS, terminal
    assert [each.job_explanation for each in ended] == [""] * JOBS
    assert most == ROOM
    assert f"exceeded quota: {QUOTA}" in told
    assert "waiting for quota: " in terminal
