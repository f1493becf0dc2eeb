# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong while a job claims a warm pod: it gets one all the same, and none is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.api_proxy import ApiProxy, KeptBack
from ansible_collections.jobpods.controller.tests.integration.jobs.gated import age, kill, row
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import GATED, open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from ansible_collections.jobpods.controller.tests.integration.warm.conftest import await_idle
from kubernetes import client

Options = dict[str, Any]
CLAIMED = "jobpods.warm=claimed"


class Pool:
    """Idle pods, and the way to them, which the test may be in.

    Attributes:
        job: the options of a job.
        proxy: on its way to the API server.
    """

    def __init__(
        self, controller: Controller, job: Options, proxy: ApiProxy, core: client.CoreV1Api, namespace: str
    ) -> None:
        self.job, self.proxy = job, proxy
        self._controller, self._core, self._namespace = controller, core, namespace

    def fill(self, count: int, **group: Any) -> None:
        """Has so many pods wait."""
        self.job["container_group"] |= {"warm_pods": count, **group}
        filled = self._controller.verb("container_group_job", **self.job)
        assert filled["job"]["status"] == "successful", filled
        await_idle(self._core, self._namespace, count)

    def claimed(self) -> list[client.V1Pod]:
        """The pods that were claimed, and are still there."""
        return list(self._core.list_namespaced_pod(self._namespace, label_selector=CLAIMED).items)

    def launch(self, kept: KeptBack) -> tuple[int, str]:
        """Launches a job whose claim is kept back; returns its id and the pod that it has claimed."""
        job_id = self._controller.verb("container_group_job", **self.job, wait=False)["job"]["id"]
        kept.wait()
        until(lambda: len(self.claimed()) == 1, "the claim to come to something")
        (pod,) = self.claimed()
        assert pod.metadata and pod.metadata.name
        assert row(self._controller, job_id).pod_uid == ""
        return job_id, pod.metadata.name

    def check(self, result: Options) -> None:
        """The job was successful at its first attempt, and nothing of it is left."""
        assert result["job"]["status"] == "successful", result
        assert len(result["job"]["attempts"]) == 1
        until(lambda: not self.claimed(), "all claimed pods to be gone")


@pytest.fixture
def pool(
    controller: Controller,
    warm: Options,
    proxy: tuple[ApiProxy, Options],
    core: client.CoreV1Api,
    namespace: str,
) -> Iterator[Pool]:
    """Nobody waits in it yet."""
    running, way = proxy
    yield Pool(
        controller,
        {**warm, "container_group": {**warm["container_group"], **way}},
        running,
        core,
        namespace,
    )
    until(lambda: not controller.processes(), "the job processes to end")


@pytest.mark.parametrize("lands", [True, False], ids=["with it", "before it"])
def test_the_api_server_goes_away_with_the_claim(controller: Controller, pool: Pool, lands: bool) -> None:
    pool.fill(2)
    kept = pool.proxy.keep_back("patch pods", answer=lands)
    with controller.started(pool.job, "-v") as running:
        kept.wait()
        if lands:
            until(lambda: len(pool.claimed()) == 1, "the claim to come to something")
        pool.proxy.go_away()
        running.await_text("no warm pod could be claimed, so the job gets a new one")
        pool.proxy.come_back()
        result = running.result()
    assert result["job"]["pod_name"].startswith("automation-job-")
    pool.check(result)


def test_the_api_server_goes_away_before_a_claimed_pod_is_removed(controller: Controller, pool: Pool) -> None:
    pool.fill(1)
    kept = pool.proxy.keep_back("get pods/attach")
    with controller.started(pool.job) as running:
        kept.wait()
        pool.proxy.go_away()
        running.await_text("does not answer, and is not used")
        pool.proxy.come_back()
        pool.check(running.result())


def test_the_owner_is_killed_before_it_can_note_its_claim(controller: Controller, pool: Pool) -> None:
    pool.fill(1)
    kept = pool.proxy.keep_back("patch pods", answer=True)
    job_id, name = pool.launch(kept)
    kill(controller)
    kept.go_on()
    waited = controller.verb("job_wait", job_id=job_id)
    assert waited["job"]["pod_name"] == name
    pool.check(waited)


def test_the_owner_comes_back_to_its_claim_too_late(
    controller: Controller, pool: Pool, core: client.CoreV1Api, namespace: str
) -> None:
    """Another one has found the pod meanwhile, and runs the job in it."""
    pool.fill(1)
    controller.project(site=GATED)
    kept = pool.proxy.keep_back("patch pods", answer=True)
    job_id, name = pool.launch(kept)
    owners = [
        pid for pid in controller.processes() if b"/entry.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    kill(controller, signal.SIGSTOP)
    age(controller)
    controller.elsewhere().verb("job_info", job_id=job_id)
    until(lambda: row(controller, job_id).status == "running", "another owner to run the job")
    for pid in owners:
        os.kill(pid, signal.SIGCONT)
    kept.go_on()
    until(lambda: not set(owners) & set(controller.processes()), "the former owner to leave")
    assert row(controller, job_id).pod_name == name
    open_gate(core, namespace, name)
    waited = controller.verb("job_wait", job_id=job_id)
    assert waited["job"]["pod_name"] == name
    pool.check(waited)


def test_the_pods_time_is_over_before_its_claim_is_known(controller: Controller, pool: Pool) -> None:
    pool.fill(1, warm_pod_ttl=25)
    kept = pool.proxy.keep_back("patch pods", answer=True)
    with controller.started(pool.job) as running:
        kept.wait()

        def ended() -> bool:
            return [pod.status.phase for pod in pool.claimed() if pod.status] == ["Succeeded"]

        until(ended, "the claimed pod to end")
        kept.go_on()
        result = running.result()
        assert "does not answer, and is not used" in " ".join(running.terminal.split())
    pool.check(result)
