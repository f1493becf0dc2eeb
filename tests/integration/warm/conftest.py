# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of warm pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]
IDLE = "jobpods.warm=idle"


@pytest.fixture
def warm(controller: Controller, core: client.CoreV1Api, job: Options, namespace: str) -> Iterator[Options]:
    """The options of a job in a group with two warm pods; what still waits for jobs in the end is deleted."""
    yield {**job, "container_group": {**job["container_group"], "warm_pods": 2}}
    until(lambda: not controller.processes(), "the job processes to end")
    core.delete_collection_namespaced_pod(namespace, label_selector=IDLE, grace_period_seconds=0)


def await_idle(core: client.CoreV1Api, namespace: str, running: int) -> dict[str, str]:
    """Names and UIDs of the idle pods, once so many run."""

    def pods() -> list[client.V1Pod]:
        return list(core.list_namespaced_pod(namespace, label_selector=IDLE).items)

    until(
        lambda: sum(bool(pod.status and pod.status.phase == "Running") for pod in pods()) == running,
        f"{running} idle pods to run",
    )
    return {str(pod.metadata.name): str(pod.metadata.uid) for pod in pods() if pod.metadata}
