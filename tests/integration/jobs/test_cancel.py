# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to end a job before it is over: the pod is deleted, and the job's row says canceled."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import LocalCluster
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]


@pytest.fixture
def endless(controller: Controller, job: Options) -> Options:
    """A job that ends by a cancel only."""
    controller.project(site=[{"name": "Wait", "ansible.builtin.pause": {"seconds": 3600}}])
    return {**job, "cancel_grace": 2}


def canceled(controller: Controller) -> dict[str, Any]:
    """Waits until the only job has ended, with its process, and was cancelled; returns its facts."""
    until(lambda: not controller.process_lines(), "the job process to end")
    result = controller.verb("job_info")
    (facts,) = result["jobs"]
    assert facts["status"] == "canceled", facts
    assert facts["failure"]["reason"] == "Canceled"
    return dict(facts)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_ansible_playbook(
    controller: Controller, endless: Options, number: signal.Signals
) -> None:
    with controller.started(endless) as running:
        running.await_text("TASK [Wait]")
        os.kill(running.process.pid, number)
        running.process.wait()
    facts = canceled(controller)
    assert facts["event_count"] > 0  # the output up to the cancel is kept


def test_ctrl_c_reaches_the_whole_foreground(controller: Controller, endless: Options) -> None:
    """A terminal sends SIGINT to each process of ansible-playbook's group, not only to the first."""
    with controller.started(endless) as running:
        running.await_text("TASK [Wait]")
        os.killpg(running.process.pid, signal.SIGINT)
        running.process.wait()
    canceled(controller)


def test_the_tasks_own_timeout(controller: Controller, endless: Options) -> None:
    with controller.started(endless, task={"timeout": 8}) as running:
        running.process.wait()
        assert "timeout" in running.terminal
    canceled(controller)


def test_job_cancel_from_another_terminal(controller: Controller, endless: Options) -> None:
    with controller.started(endless) as running:
        running.await_text("TASK [Wait]")
        told = controller.elsewhere().verb("job_cancel", job_id=1)
        assert (told["changed"], told["failed"], told["job"]["status"]) == (True, False, "canceled"), told
        result = running.result()
    assert (result["failed"], result["job"]["status"]) == (True, "canceled")
    assert "TASK [Wait]" in result["stdout"]
    again = controller.verb("job_cancel", job_id=1)
    assert (again["changed"], again["failed"]) == (False, False)
    strict = controller.verb("job_cancel", job_id=1, fail_if_not_running=True)
    assert strict["failed"]
    assert "not running" in strict["msg"]


def test_before_the_pod_is_scheduled(controller: Controller, endless: Options) -> None:
    group = {**endless["container_group"], "pod_spec_override": {"spec": {"nodeSelector": {"disk": "ssd"}}}}
    with controller.started({**endless, "container_group": group}) as running:
        running.await_text("No node takes the pod")
        os.kill(running.process.pid, signal.SIGTERM)
        running.process.wait()
    canceled(controller)


def test_children_of_the_playbook_end_too(
    controller: Controller, endless: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """Ansible's SIGTERM reaches a task that does not care for it; SIGKILL comes after the grace."""
    shell = "trap '' TERM INT HUP; echo $$; while :; do sleep 1; done"
    controller.project(site=[{"name": "Wait", "ansible.builtin.shell": shell}])
    with controller.started(endless) as running:
        running.await_text("TASK [Wait]")
        os.kill(running.process.pid, signal.SIGTERM)
        running.process.wait()
    canceled(controller)


def test_while_the_api_server_is_away(
    controller: Controller,
    endless: Options,
    local_cluster: LocalCluster,
    core: client.CoreV1Api,
    namespace: str,
) -> None:
    """The job ends at once; its pod as soon as the API server is back, by the process that stays for it."""
    with controller.started(endless) as running:
        running.await_text("TASK [Wait]")
        with local_cluster.without_api_server():
            os.kill(running.process.pid, signal.SIGKILL)
            running.process.wait()
            until(
                lambda: controller.verb("job_info")["jobs"][0]["status"] == "canceled",
                "the job to be canceled",
            )
            assert controller.process_lines()
    canceled(controller)
    selector = "app.kubernetes.io/managed-by=jobpods"
    assert core.list_namespaced_pod(namespace, label_selector=selector).items == []
