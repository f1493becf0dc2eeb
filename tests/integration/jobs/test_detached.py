# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that go on without their launcher, async tasks, and plays about hosts that play no part in it."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]


def test_wait_false_and_job_wait(controller: Controller, job: Options) -> None:
    controller.project(
        site=[{"ansible.builtin.pause": {"seconds": 3}}, {"ansible.builtin.debug": {"msg": "the end"}}]
    )
    launched = controller.verb("container_group_job", **{**job, "wait": False})
    assert (launched["changed"], launched["failed"]) == (True, False)
    assert launched["job"]["status"] in ("new", "pending", "waiting", "running")
    job_id = launched["job"]["id"]
    there = controller.elsewhere()
    played = there.play([{"jobpods.controller.job_wait": {"job_id": job_id}}])
    assert played.result["job"]["status"] == "successful", played.result["msg"]
    assert not played.result["changed"]
    assert '"the end"' in played.result["stdout"]
    assert '"the end"' in played.terminal
    (listed,) = there.verb("job_info", status="successful")["jobs"]
    assert listed == played.result["job"]
    assert there.verb("job_info", job_id=job_id)["jobs"] == [{**listed, "current_task": ""}]
    assert there.verb("job_info", status="failed")["jobs"] == []


def test_job_wait_has_a_limit_of_its_own(controller: Controller, job: Options) -> None:
    controller.project(site=[{"ansible.builtin.pause": {"seconds": 3600}}])
    job_id = controller.verb("container_group_job", **{**job, "wait": False})["job"]["id"]
    waited = controller.verb("job_wait", job_id=job_id, timeout=2)
    assert waited["failed"]
    assert "2 s" in waited["msg"]
    canceled = controller.verb("job_cancel", job_id=job_id)
    assert (canceled["changed"], canceled["job"]["status"]) == (True, "canceled")


def test_a_job_process_that_is_told_to_end_leaves_its_job(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    controller.project(site=[{"ansible.builtin.pause": {"seconds": 3600}}])
    controller.verb("container_group_job", **{**job, "wait": False})
    until(lambda: controller.verb("job_info")["jobs"][0]["status"] == "running", "the job to run")
    (pid,) = controller.processes()
    os.kill(pid, signal.SIGTERM)
    until(lambda: not controller.process_lines(), "the job process to end")
    with controller.opened() as store:  # a module would have the job adopted
        (left,) = store.list()
    assert (left.status, left.failure) == ("running", None)
    pod = core.read_namespaced_pod(left.pod_name, namespace)
    assert pod.status is not None and pod.metadata is not None
    assert (pod.status.phase, pod.metadata.deletion_timestamp) == ("Running", None)
    canceled = controller.verb("job_cancel", job_id=left.id)
    assert canceled["job"]["status"] == "canceled", canceled["msg"]


@pytest.mark.parametrize("verb", ["job_wait", "job_info", "job_cancel"])
def test_a_job_that_is_not_there(controller: Controller, verb: str) -> None:
    result = controller.verb(verb, job_id=4711)
    assert result["failed"]
    assert "4711" in result["msg"]


def test_async_with_poll_shows_the_job(controller: Controller, job: Options) -> None:
    controller.write("outer", "web1 ansible_host=192.0.2.1\n")
    play = {"become": True, "become_user": "nobody"}
    task = {"jobpods.controller.container_group_job": job, "async": 120, "poll": 1}
    played = controller.play([task], "-i", "outer", hosts="web1", play=play)
    assert played.result["job"]["status"] == "successful", played.terminal
    assert "hello from the pod" in played.terminal


def test_async_with_poll_is_a_limit(controller: Controller, job: Options) -> None:
    controller.project(site=[{"ansible.builtin.pause": {"seconds": 3600}}])
    task = {
        "jobpods.controller.container_group_job": {**job, "cancel_grace": 1},
        "async": 8,
        "poll": 1,
        "ignore_errors": True,
    }
    played = controller.play([task])
    assert played.result["failed"]
    assert played.result["job"]["status"] == "canceled", played.result["msg"]
    assert "the task's async limit of 8 s was over" in played.result["msg"]


def test_async_without_waiting(controller: Controller, job: Options) -> None:
    task = {"jobpods.controller.container_group_job": job, "async": 120, "poll": 0}
    look = {
        "ansible.builtin.async_status": {"jid": "{{ result_0.ansible_job_id }}"},
        "until": "result_1 is finished",
        "retries": 60,
        "delay": 1,
    }
    played = controller.play([task, look])
    _started, ended = played.results["localhost"]
    assert ended["job"]["status"] == "successful", ended


def test_hosts_that_cannot_be_reached_and_become_play_no_part(controller: Controller, job: Options) -> None:
    """The module is the controller's own: it takes no connection to the play's hosts, and no other user."""
    controller.write("outer", "web1 ansible_host=192.0.2.1 ansible_python_interpreter=/no/python\n")
    play = {"become": True, "become_user": "nobody", "become_method": "ansible.builtin.sudo"}
    task = {"jobpods.controller.container_group_job": job}
    played = controller.play([task], "-i", "outer", hosts="web1", play=play)
    assert played.result["job"]["status"] == "successful", played.terminal
