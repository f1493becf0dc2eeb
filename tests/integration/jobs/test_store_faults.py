# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store takes nothing for a while in the middle of a job: the job goes on, and nothing of it is lost."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.tests.integration.jobs.gated import (
    SITE,
    await_end_of_run,
    check_shown_once,
    check_whole,
    reach_the_gate,
)
from ansible_collections.jobpods.controller.tests.integration.jobs.store_faults import (
    full,
    small_disk,
)
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from kubernetes import client

Options = dict[str, Any]


def test_disk_that_is_full_for_a_while(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    launch = {**job, "project": str(controller.project(site=SITE))}
    with small_disk(controller.store), controller.started(launch) as running:
        running.await_text("TASK [Wait at the gate]")
        pod = reach_the_gate(controller, 1).pod_name
        with full(controller.store):
            open_gate(core, namespace, pod)
            running.await_text("the job's events can't be stored now, which is tried for")
            await_end_of_run(core, namespace, pod)
        check_whole(controller, running.result())
        check_shown_once(running)
