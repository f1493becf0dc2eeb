# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs whose process is killed, in each part of their life, and who goes on with them."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JobRecord
from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL, job_pods
from ansible_collections.jobpods.controller.tests.integration.jobs.gated import (
    BEFORE,
    SITE,
    age,
    await_end_of_run,
    check_shown_once,
    check_whole,
    kill,
    launch_to_the_gate,
    reach_the_gate,
    row,
)
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]


@pytest.fixture
def gated(controllers: Controller, job: Options) -> Options:
    """The options of a detached job that waits at the gate."""
    return {**job, "project": str(controllers.project(site=SITE)), "wait": False}


def test_of_two_who_find_a_running_job_one_goes_on_with_it(
    controllers: Controller, gated: Options, core: client.CoreV1Api, namespace: str
) -> None:
    job_id = controllers.verb("container_group_job", **gated)["job"]["id"]
    before = reach_the_gate(controllers, job_id)
    kill(controllers)
    with ThreadPoolExecutor(2) as pool:
        users = [controllers.elsewhere(name) for name in ("one", "two")]
        looks = list(pool.map(lambda user: user.verb("job_info", job_id=job_id), users))
    assert [look["jobs"][0]["status"] for look in looks] == ["running"] * 2
    until(lambda: row(controllers, job_id).lease > before.lease, "the job to be adopted")
    open_gate(core, namespace, before.pod_name)
    waited = controllers.verb("job_wait", job_id=job_id)
    check_whole(controllers, waited)
    after = row(controllers, job_id)
    assert (after.lease, after.pod_uid) == (before.lease + 1, before.pod_uid)
    until(lambda: not controllers.processes(), "the adopter to end")


def test_a_job_that_has_no_pod_yet_starts_with_its_own_connection(
    controller: Controller, job: Options, kubeconfig: Path, core: client.CoreV1Api, namespace: str
) -> None:
    """It waits for room in a quota; and who goes on with it has no connection to the cluster."""
    none = client.V1ResourceQuotaSpec(hard={"pods": "0"})
    quota = client.V1ResourceQuota(metadata=client.V1ObjectMeta(name="none"), spec=none)
    core.create_namespaced_resource_quota(namespace, quota)

    def in_force() -> bool:
        status = core.read_namespaced_resource_quota("none", namespace).status
        return bool(status and status.hard)

    until(in_force, "the quota to be in force")
    group = {name: value for name, value in job["container_group"].items() if name != "kubeconfig"}
    own = {"K8S_AUTH_KUBECONFIG": str(kubeconfig)}
    launch = {**job, "container_group": group, "wait": False}
    job_id = controller.verb("container_group_job", environ=own, **launch)["job"]["id"]
    until(lambda: "quota" in row(controller, job_id).job_explanation, "the quota to be in the way")
    kill(controller)
    core.delete_namespaced_resource_quota("none", namespace)
    waited = controller.elsewhere().verb("job_wait", job_id=job_id)
    assert waited["job"]["status"] == "successful", waited["msg"]
    start = {each["phase"]: each["detail"] for each in waited["job"]["start"]}
    assert list(start)[:4] == ["queued", "creating", "quota", "scheduling"]
    assert "exceeded quota: none" in start["quota"]
    assert start["playbook"] == "Greet"


def test_an_end_that_nobody_saw_is_seen_by_who_comes_next(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """The process is stopped before the run's end, and killed after it: nothing of the end is stored."""
    job_id, pod = launch_to_the_gate(controller, job)
    kill(controller, signal.SIGSTOP)
    open_gate(core, namespace, pod)
    await_end_of_run(core, namespace, pod)
    kill(controller)
    assert row(controller, job_id).status == "running"
    check_whole(controller, controller.verb("job_wait", job_id=job_id))


def test_a_job_whose_pod_is_gone_too_can_t_go_on(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    job_id, pod = launch_to_the_gate(controller, job)
    kill(controller)
    core.delete_namespaced_pod(pod, namespace, grace_period_seconds=0)
    waited = controller.verb("job_wait", job_id=job_id)
    assert (waited["job"]["status"], waited["job"]["failure"]["reason"]) == ("error", "ControllerLost")
    assert f"{BEFORE} three" in waited["stdout"]
    assert pod in waited["msg"]


def test_a_job_without_its_process_can_be_canceled(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """Also what it has printed meanwhile is kept."""
    job_id, pod = launch_to_the_gate(controller, job)
    kill(controller)
    open_gate(core, namespace, pod)
    canceled = controller.verb("job_cancel", job_id=job_id)
    assert (canceled["changed"], canceled["job"]["status"]) in (
        (True, "canceled"),
        (False, "successful"),  # it was quicker
    )
    assert f"{BEFORE} three" in canceled["stdout"]
    until(lambda: not job_pods(core, namespace), "the pod to go")


def test_a_launcher_goes_on_with_its_job_when_the_job_process_is_killed(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    launch = {**job, "project": str(controller.project(site=SITE))}
    with controller.started(launch) as running:
        running.await_text("TASK [Wait at the gate]")
        (record,) = _all(controller)
        kill(controller)
        running.await_text("was killed by signal 9")
        open_gate(core, namespace, record.pod_name)
        check_whole(controller, running.result())
    assert "Another one takes job 1 over" in " ".join(running.terminal.split())
    check_shown_once(running)


def test_an_attached_job_ends_where_its_launcher_is_gone_too(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    launch = {**job, "project": str(controller.project(site=SITE))}
    with controller.started(launch) as running:
        running.await_text("TASK [Wait at the gate]")
        for pid in controller.processes():
            os.kill(pid, signal.SIGKILL)
        running.process.wait()
    (record,) = _all(controller)
    assert (record.status, record.wait) == ("running", True)
    controller.verb("job_info")
    assert row(controller, record.id).lease == record.lease, "its launcher has half a minute to come back"
    age(controller)
    waited = controller.verb("job_wait", job_id=record.id)
    assert waited["job"]["status"] == "canceled", waited["msg"]
    assert "launcher is gone" in waited["msg"]
    assert f"{BEFORE} three" in waited["stdout"]
    until(lambda: not job_pods(core, namespace), "the pod to go")


def test_a_pod_that_was_left_behind_is_deleted_later(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """A finalizer keeps it, and nobody is there any more when it is taken away."""
    group = {
        **job["container_group"],
        "pod_spec_override": {"metadata": {"finalizers": ["jobpods.example/keep"]}},
    }
    ended = controller.verb("container_group_job", **{**job, "container_group": group})
    assert ended["job"]["status"] == "successful", ended["msg"]
    job_id, pod = ended["job"]["id"], ended["job"]["pod_name"]
    kill(controller)
    assert not row(controller, job_id).pod_deleted
    core.patch_namespaced_pod(pod, namespace, {"metadata": {"finalizers": None}})
    controller.verb("job_info")
    assert not row(controller, job_id).pod_deleted, "its process may still be at it"
    age(controller)
    controller.verb("job_info")
    until(lambda: row(controller, job_id).pod_deleted, "the row to say that the pod is gone")


def test_a_sliced_job_goes_on_with_all_its_slices(
    controllers: Controller, gated: Options, core: client.CoreV1Api, namespace: str
) -> None:
    hosts = {name: LOCAL for name in ("a", "b", "c")}
    launch = {**gated, "inventory": {"all": {"hosts": hosts}}, "job_slice_count": 3}
    job_id = controllers.verb("container_group_job", **launch)["job"]["id"]

    def children() -> list[JobRecord]:
        with controllers.opened() as store:
            return list(store.children(job_id))

    until(lambda: [each.event_count >= 7 for each in children()] == [True] * 3, "the slices at the gate")
    first, *_others = before = children()
    open_gate(core, namespace, first.pod_name)
    until(lambda: row(controllers, first.id).finished is not None, "one slice to end")
    kill(controllers)
    controllers.elsewhere().verb("job_info")
    until(
        lambda: all(new.lease > old.lease for new, old in zip(children()[1:], before[1:], strict=True)), "it"
    )
    for each in before[1:]:
        open_gate(core, namespace, each.pod_name)
    waited = controllers.verb("job_wait", job_id=job_id)
    assert waited["job"]["status"] == "successful", waited["msg"]
    assert sum(waited["job"]["host_status_counts"].values()) == 3
    assert [each["id"] for each in waited["job"]["slices"]] == [each.id for each in before]
    assert {each["status"] for each in waited["job"]["slices"]} == {"successful"}


def _all(controller: Controller) -> list[JobRecord]:
    with controller.opened() as store:
        return list(store.list())


def test_a_job_whose_first_pod_was_lost_goes_on_in_its_second_one(
    controller: Controller, job: Options, core: client.CoreV1Api, namespace: str
) -> None:
    """Neither starts before its volume is there."""
    volumes = {"volumes": [{"name": "late", "configMap": {"name": "late"}}]}
    group = {**job["container_group"], "pod_spec_override": {"spec": volumes}}

    def pod_that_is_not(name: str) -> str:
        pods = [
            str(each.metadata.name) for each in core.list_namespaced_pod(namespace).items if each.metadata
        ]
        return next((each for each in pods if each != name), "")

    with controller.started({**job, "container_group": group}) as running:
        until(lambda: bool(pod_that_is_not("")), "the first pod")
        first = pod_that_is_not("")
        core.delete_namespaced_pod(first, namespace, grace_period_seconds=0)
        running.await_text("attempt 2 of 4")
        until(lambda: bool(pod_that_is_not(first)), "the second pod")
        second = pod_that_is_not(first)
        running.await_text(f"pod {second} created")
        kill(controller)
        core.create_namespaced_config_map(
            namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="late"))
        )
        result = running.result()
    assert result["job"]["status"] == "successful", result
    assert [each["pod_name"] for each in result["job"]["attempts"]] == [first, second]
    assert "hello from the pod" in running.terminal
