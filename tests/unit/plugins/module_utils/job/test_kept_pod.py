# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods are kept after their jobs, and what is told and remembered of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.job import conversation, pod_watch
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import job_facts, sentence
from ansible_collections.jobpods.controller.plugins.module_utils.pod import wire
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    PODS,
    LittleCluster,
    dead,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BAD,
    BEGIN,
    DEADLINE,
    ENDLESS,
    GOOD,
    Scene,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import event

pytestmark = pytest.mark.usefixtures("quick")


def keeps(scene: Scene, when: str, **others: Any) -> None:
    launch = replace(scene.request.launch, keep_pod=when, keep_pod_ttl=3000, **others)
    scene.request = replace(scene.request, launch=launch)


def assert_kept(scene: Scene, at: LittleCluster, record: JobRecord) -> None:
    assert (at.exists, at.deleted, record.pod_deleted) == (True, [], False)
    assert record.finished is not None and record.keep_pod_until is not None
    assert record.keep_pod_until - record.finished == timedelta(seconds=3000)
    assert scene.store.undeleted_pods(0) == []
    assert scene.store.connection(record.id) == {}, "to delete the pod with later"
    assert job_facts(record)["pod_kept_until"] is not None


# --- which are kept -----


@pytest.mark.parametrize(
    ("when", "script"),
    [("on_failure", BAD), ("always", BAD), ("always", GOOD)],
    ids=["failed", "failed-always", "good"],
)
async def test_pod_that_is_kept(scene: Scene, authority: Authority, when: str, script: str) -> None:
    keeps(scene, when)
    async with cluster(scene, authority, script) as at:
        record = await scene.own(at.connection)
        assert_kept(scene, at, record)
        assert at.pod.process.poll() is None, "the supervisor waits"
        pod = f"-n jobs {scene.pod_name}"
        words = (
            f" to be looked into: `kubectl exec -it {pod} -c worker -- sh`."
            f" Remove it with `kubectl delete pod {pod}`."
        )
        assert scene.told.steps[-1] == f"The pod stays for 3000 s{words}"
        assert sentence(record).endswith(f" The pod stays until {job_facts(record)['pod_kept_until']}{words}")
        assert scene.told.warnings == []


@pytest.mark.parametrize(("when", "script"), [("on_failure", GOOD), ("never", BAD)], ids=["good", "never"])
async def test_pod_that_is_not_kept(scene: Scene, authority: Authority, when: str, script: str) -> None:
    keeps(scene, when)
    async with cluster(scene, authority, script) as at:
        record = await scene.own(at.connection)
        assert (at.deleted, record.pod_deleted, record.keep_pod_until) == ([0], True, None)
        assert "kubectl" not in sentence(record)
        assert job_facts(record)["pod_kept_until"] is None


@pytest.mark.parametrize("when", ["on_failure", "always"])
async def test_canceled_job_has_not_failed(scene: Scene, authority: Authority, when: str) -> None:
    keeps(scene, when)
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            await scene.told.heard.wait()
            owning.cancel("Enough.")
            await task
        assert (scene.record.status, at.exists) == ("canceled", when == "always")


async def test_pod_in_which_the_run_may_go_on_is_deleted(scene: Scene, authority: Authority) -> None:
    keeps(scene, "always")
    async with cluster(scene, authority, BEGIN + event(9, "too_soon") + "time.sleep(600)\n") as at:
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ProtocolViolation"
        assert (at.exists, record.pod_deleted) == (False, True)
        assert scene.told.warnings[-1] == "the pod is not kept, since the run may go on in it"


async def test_container_that_has_ended_can_t_be_entered(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_watch, "LAST_WORDS", 0.1)
    keeps(scene, "on_failure")
    async with cluster(scene, authority, ENDLESS) as at:
        at.server.on("GET", PODS, dead(at, terminated={"reason": "OOMKilled", "exitCode": 137}))
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "OOMKilled"
        assert_kept(scene, at, record)
        assert "can't be entered" in sentence(record)
        assert f"`kubectl describe pod -n jobs {scene.pod_name}`" in sentence(record)
        assert "kubectl exec" not in sentence(record)


async def test_pod_that_never_ran_is_deleted(scene: Scene, authority: Authority) -> None:
    keeps(scene, "always")
    async with cluster(scene, authority, ENDLESS) as at:
        at.server.on("GET", PODS, dead(at, waiting={"reason": "InvalidImageName", "message": "no"}))
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "InvalidImageName"
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_supervisor_that_does_not_answer_any_more(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "KEEP_LIMIT", 0.1)
    monkeypatch.setattr(conversation, "HELLO_LIMIT", 0.1)
    monkeypatch.setattr(wire, "keep", lambda session, seconds: b"")
    keeps(scene, "always")
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert (record.status, record.pod_deleted, at.exists) == ("successful", True, False)
        assert scene.told.warnings == ["the pod is not kept, since it does not answer any more"]


# --- what belongs to it -----


async def test_secret_of_a_pod_that_is_kept_goes(scene: Scene, authority: Authority) -> None:
    keeps(scene, "always")
    scene.log_in()
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert not at.has_secret
        assert_kept(scene, at, record)


async def test_the_last_net_of_a_pod_that_may_be_kept_is_later(scene: Scene, authority: Authority) -> None:
    keeps(scene, "on_failure", timeout=60)
    async with cluster(scene, authority, GOOD) as at:
        await scene.own(at.connection)
        assert at.manifest is not None
        assert at.manifest["spec"]["activeDeadlineSeconds"] == 7200 + 60 + 120 + 3000
