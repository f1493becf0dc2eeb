# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that belong to nobody any more are found and deleted; those that somebody needs are not."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.jobs.gated import (
    check_whole,
    kill,
    launch_to_the_gate,
)
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from ansible_collections.jobpods.controller.tests.integration.warm.claiming import fill
from kubernetes import client

Options = dict[str, Any]


def look(controller: Controller, group: Options, *arguments: str, **options: Any) -> dict[str, Options]:
    """What cleanup_pods says of each pod, by their names."""
    where = {"kubeconfig": group["kubeconfig"], "namespace": group["namespace"]}
    result = controller.verb("cleanup_pods", *arguments, **where, **options)
    assert not result["failed"], result["msg"]
    pods: list[Options] = result["pods"]
    assert result["changed"] == any(pod["deleted"] for pod in pods)
    return {pod["pod_name"]: pod for pod in pods}


def states(pods: dict[str, Options]) -> dict[str, tuple[str, bool | None, bool]]:
    """What they are, whether they belong to nobody, and whether they are deleted."""
    return {name: (pod["state"], pod["orphan"], pod["deleted"]) for name, pod in pods.items()}


def test_pods_of_ended_live_kept_and_lost_jobs(
    controller: Controller,
    job: Options,
    group: Options,
    core: client.CoreV1Api,
    namespace: str,
    tmp_path: Path,
) -> None:
    lost = Controller(tmp_path / "lost")
    _lost_id, of_nobody = launch_to_the_gate(lost, job)
    kill(lost)
    shutil.rmtree(lost.store)
    kept = controller.verb("container_group_job", **job, keep_pod="always")["job"]["pod_name"]
    over = controller.verb("container_group_job", **job, keep_pod="always", keep_pod_ttl=1)["job"]["pod_name"]

    def has_ended() -> bool:
        status = core.read_namespaced_pod(over, namespace).status
        return bool(status and status.phase == "Succeeded")

    until(has_ended, "the time of a kept pod to be over")
    job_id, live = launch_to_the_gate(controller, job)

    seen = look(controller, group, "--check")
    assert states(seen) == {
        of_nobody: ("unknown", None, False),
        kept: ("kept", False, False),
        over: ("left", True, True),
        live: ("job", False, False),
    }
    assert (seen[live]["job_id"], seen[live]["job_status"], seen[live]["phase"]) == (
        job_id,
        "running",
        "Running",
    )
    assert seen[live]["execution_node"]
    assert seen[kept]["until"]
    assert "is not in this store" in seen[of_nobody]["why"]

    look(controller, group)
    left = states(look(controller, group, unknown_jobs="delete_ended", older_than=0))
    assert left == {
        of_nobody: ("unknown", None, False),
        kept: ("kept", False, False),
        live: ("job", False, False),
    }
    gone = states(look(controller, group, unknown_jobs="delete", older_than=0))
    assert gone[of_nobody] == ("unknown", None, True)
    assert sorted(look(controller, group, "--check")) == sorted((kept, live))

    open_gate(core, namespace, live)
    check_whole(controller, controller.verb("job_wait", job_id=job_id))
    core.delete_namespaced_pod(kept, namespace)


def test_live_job_of_another_controller_is_left_alone(
    controller: Controller,
    job: Options,
    group: Options,
    core: client.CoreV1Api,
    namespace: str,
    tmp_path: Path,
) -> None:
    other = Controller(tmp_path / "other")
    job_id, pod = launch_to_the_gate(other, job)
    found = look(controller, group, unknown_jobs="delete_ended", older_than=0)
    assert states(found) == {pod: ("unknown", None, False)}
    assert states(look(controller, group, unknown_jobs="delete")) == {pod: ("unknown", None, False)}
    open_gate(core, namespace, pod)
    check_whole(other, other.verb("job_wait", job_id=job_id))


def test_pods_that_wait_for_jobs_are_told_as_such(
    controller: Controller, job: Options, group: Options, kubeconfig: Path, core: client.CoreV1Api
) -> None:
    controller.project(site=[])
    asyncio.run(fill(kubeconfig, controller.folder, {**group, "warm_pods": 2}))
    found = look(controller, group, unknown_jobs="delete", older_than=0)
    assert [(pod["state"], pod["orphan"], pod["deleted"]) for pod in found.values()] == [
        ("warm", False, False)
    ] * 2
    assert all("another store's" in pod["why"] and pod["until"] for pod in found.values())
    core.delete_collection_namespaced_pod(
        group["namespace"], label_selector="jobpods.warm", grace_period_seconds=0
    )
