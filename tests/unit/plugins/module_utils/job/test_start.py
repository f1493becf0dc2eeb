# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's start goes through is stored with the job, while it lasts and at its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job import pod_watch, story
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import status
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    NODE,
    PODS,
    dead,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BEGIN,
    DEADLINE,
    ENDLESS,
    GOOD,
    Scene,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import (
    event,
    say,
)

pytestmark = pytest.mark.usefixtures("quick")

REST = ["connecting", "sending", "playbook"]
TASK = event(2, "playbook_on_task_start", "TASK", task="Greet\x1b[31m")
GREETS = BEGIN + TASK + event(3, "playbook_on_stats", "RECAP", ok={"a": 1})
GREETS += say(status="successful") + say(eof=True)


async def test_start_is_told_up_to_the_first_task(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GREETS) as at:
        record = await scene.own(at.connection)
        assert record.status == "successful", record.failure
        told = {each["phase"]: each["detail"] for each in record.start}
        assert list(told) == ["queued", "creating", "scheduling", "starting", *REST]
        assert told["scheduling"] == f"on node {NODE}"
        assert told["sending"].startswith("payload of ")
        assert told["playbook"] == "Greet"
        moments = [each["at"] for each in record.start]
        assert moments == sorted(moments)
        assert all(each["seconds"] is not None for each in record.start)
        assert any(step.startswith("first task after ") for step in scene.told.steps)
        resources = record.facts["resources"]
        assert resources is None or "limits" in resources  # a container tells what it uses, a machine may not


async def test_first_task_is_stored_together_with_the_end_of_the_start(
    scene: Scene, authority: Authority
) -> None:
    script = BEGIN + TASK + "time.sleep(600)\n"
    async with cluster(scene, authority, script) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            while scene.record.event_count < 2:
                await asyncio.sleep(0.02)
        record = scene.record
        assert record.start[-1]["phase"] == "playbook"
        assert record.start[-1]["seconds"] is not None
        owning.cancel("It is seen.")
        await task


async def test_story_of_a_start_that_lasts_is_stored_meanwhile(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "SAVE_AFTER", 0.0)
    async with cluster(scene, authority, GOOD) as at:
        full = status(403, 'pods "a" is forbidden: exceeded quota: small', "Forbidden")
        at.server.on("POST", PODS, full)
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            while "quota" not in [each["phase"] for each in scene.record.start]:
                await asyncio.sleep(0.02)
        (quota,) = [each for each in scene.record.start if each["phase"] == "quota"]
        assert "exceeded quota: small" in quota["detail"]
        assert quota["seconds"] is None
        owning.cancel("It is seen.")
        await task
        assert scene.record.start[-1]["phase"] == "quota"
        assert scene.record.start[-1]["seconds"] is not None


async def test_pod_that_was_killed_for_its_memory_says_its_limit(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with cgroup v2, where the supervisor is killed, too, and can't report."""
    monkeypatch.setattr(pod_watch, "LAST_WORDS", 0.1)
    resources = {"requests": {"memory": "100Mi"}, "limits": {"memory": "300Mi"}}
    override = {"spec": {"containers": [{"name": "worker", "image": "a", "resources": resources}]}}
    launch = scene.request.launch
    group = replace(launch.group, pod_spec_override=override)
    scene.request = replace(scene.request, launch=replace(launch, group=group))
    async with cluster(scene, authority, ENDLESS) as at:
        at.server.on("GET", PODS, dead(at, terminated={"reason": "OOMKilled", "exitCode": 137}))
        record = await scene.own(at.connection)
    assert record.failure is not None and record.failure["reason"] == "OOMKilled"
    assert "The container's memory limit is 300Mi" in record.failure["message"]
    assert record.failure["details"]["memory_limit"] == "300Mi"
    used = record.facts["resources"]
    assert (used["requests"], used["limits"]) == (resources["requests"], resources["limits"])
    assert int(used["suggested_requests"]["memory"].removesuffix("Mi")) >= 375
