# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller is frozen for longer than a pod waits for it."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]

OUTAGE, LOST = 5, 10


def test_controller_that_is_frozen(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 600}}])
    limits = {"cluster_outage_timeout": OUTAGE, "controller_lost_timeout": LOST, "cancel_grace": 1}

    def ended() -> bool:
        (pod,) = core.list_namespaced_pod(namespace).items
        return bool(pod.status and pod.status.phase == "Failed")

    with controller.started({**job, **limits}) as running:
        running.await_text("TASK [Wait]")
        processes = controller.processes()
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            until(ended, "the pod to end by itself")
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
        result = running.result()
    facts, failure = result["job"], result["job"]["failure"]
    assert (facts["status"], failure["reason"]) == ("error", "ControllerLost"), result
    assert failure["retryable"]
    assert "heard nothing from its controller" in failure["message"]
    assert "containerStatuses" in facts["result_traceback"]
    assert "TASK [Wait]" in result["stdout"]
