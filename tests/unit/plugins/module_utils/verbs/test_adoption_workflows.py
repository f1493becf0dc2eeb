# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow whose process is gone goes on from what has ended, with what runs, to what has not begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import Pending
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import (
    JobRecord,
    LeaseLost,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.adoption import (
    LAUNCHER_GONE,
    Adoption,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launching import caller_of
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import OwnedJob
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.workflow_jobs import (
    Workflow,
    launch_workflow,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.adopting import (
    Scene,
    hurry,
    left_behind,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import shown
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    scripted_runner,
    until,
)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def scene(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """The workflow `first`, `gated`, `last`; the second of them runs in the pod, the others without one."""
    hurry(monkeypatch)
    async with left_behind(tmp_path, authority) as made:
        scripted_runner(tmp_path, monkeypatch)
        define(made)
        yield made


def define(scene: Scene) -> None:
    stock, connection = scene.stock, scene.at.connection
    inputs = {"host": connection.host, "bearer_token": connection.token, "ssl_ca_cert": connection.ca_text}
    stock.add("credential", "cluster", credential_type="kubernetes_bearer_token", inputs=inputs)
    stock.add("container_group", "pods", credential="cluster", namespace="jobs")
    here, there = {"instance_groups": ["controlplane"]}, {"instance_groups": ["pods"]}
    asks = {"ask_variables_on_launch": True}
    stock.template("first", extra_vars={"set": {"from": "first", "first": 1}}, **here, **asks)
    gate = str(stock.folder / "gate")
    stock.template("gated", extra_vars={"until": gate}, cancel_grace=1, **there, **asks)
    stock.template("last", **here, **asks)
    names = ("first", "gated", "last")
    nodes = [
        {
            "identifier": name,
            "unified_job_template": {"name": name, "type": "job_template"},
            "related": {"success_nodes": [{"identifier": following}] if following else []},
        }
        for name, following in zip(names, (*names[1:], ""), strict=True)
    ]
    stock.objects.save("workflow_job_template", Wanted("release", {}, nodes=nodes))


def node(scene: Scene, identifier: str) -> JobRecord | None:
    """The job of a node, where there is one."""
    return next((job for job in scene.stock.all_jobs() if job.workflow_node == identifier), None)


async def left(scene: Scene, reached: Callable[[], bool], *, wait: bool = False) -> None:
    """Has a workflow's process go when something is so."""
    template = scene.stock.objects.get("workflow_job_template", "release", "", None)
    assert template.id is not None
    async with scene.stock.jobs() as jobs:
        caller = caller_of(jobs.request)
        workflow = Workflow(template.id, {"extra_vars": {}})
        await launch_workflow(jobs, workflow, caller, wait=wait)
        await until(reached)
        jobs.leave()
        await jobs.close()
    for job in scene.stock.all_jobs():
        if job.finished is None:
            scene.found(job.id)


def at_the_gate(scene: Scene) -> bool:
    job = node(scene, "gated")
    return job is not None and job.event_count == 1 and job.status == "running"


def check_whole(scene: Scene) -> None:
    """All three have run once, and each got what those before it have set."""
    whole, *nodes = scene.stock.all_jobs()
    assert (whole.status, whole.failure) == ("successful", None), whole.job_explanation
    assert [job.workflow_node for job in nodes] == ["first", "gated", "last"]
    assert {job.status for job in nodes} == {"successful"}
    assert [scene.counters(job.id) for job in nodes] == [[1, 2]] * 3
    assert scene.stock.asked(nodes[2].id)["extra_vars"] == {"from": "first", "first": 1}
    assert whole.host_status_counts["ok"] == 3
    assert not scene.at.exists


async def test_one_has_ended_one_runs_and_one_has_not_begun(scene: Scene) -> None:
    await left(scene, lambda: at_the_gate(scene))
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_one_has_ended_unseen(scene: Scene) -> None:
    """Its job has its end in the store; the workflow that waits for it has not heard of that."""
    await left(scene, lambda: at_the_gate(scene))
    gated = node(scene, "gated")
    assert gated is not None
    scene.open_gate()
    async with scene.stock.jobs() as jobs:
        job = await Adoption(jobs).take(gated)
        await until(job.finished.is_set)
    await scene.adopt()
    check_whole(scene)


async def test_one_ends_while_it_is_looked_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner was only frozen: it is still that one's when the workflow is taken over."""
    await left(scene, lambda: at_the_gate(scene))
    take = Adoption.take

    async def late(self: Adoption, record: JobRecord, **how: Any) -> OwnedJob:
        if record.workflow_node == "gated":
            monkeypatch.setattr(Adoption, "take", take)
            scene.open_gate()
            async with scene.stock.jobs() as jobs:
                job = await take(Adoption(jobs), record)
                await until(job.finished.is_set)
        return await take(self, record, **how)

    monkeypatch.setattr(Adoption, "take", late)
    await scene.adopt()
    check_whole(scene)


async def test_one_is_somebody_else_s(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the workflow is, too, or will be: nothing is started twice."""
    await left(scene, lambda: at_the_gate(scene))
    take = Adoption.take

    async def lost(self: Adoption, record: JobRecord, **how: Any) -> OwnedJob:
        if record.workflow_node:
            raise LeaseLost("another one was quicker")
        return await take(self, record, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Adoption, "take", lost)
        await scene.adopt()
    assert [job.status for job in scene.stock.all_jobs()] == ["running", "successful", "running"]
    for job in scene.stock.all_jobs():
        if job.finished is None:
            scene.found(job.id)
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_none_has_begun(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "place", lambda *_args: Pending("not yet"))
        await left(scene, lambda: [job.job_explanation for job in scene.stock.all_jobs()] == ["not yet"])
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_one_without_a_pod_is_lost_and_the_others_follow_from_that(scene: Scene) -> None:
    await left(scene, lambda: at_the_gate(scene))
    gated = node(scene, "gated")
    assert gated is not None
    scene.at.lose()
    await scene.adopt()
    whole, _first, second = scene.stock.all_jobs()
    assert second.failure is not None and second.failure["reason"] == "ControllerLost"
    assert (whole.status, node(scene, "last")) == ("failed", None)
    assert f"job {second.id} (gated) ended error" in whole.job_explanation


async def test_attached_one_is_cancelled_with_its_jobs(scene: Scene) -> None:
    await left(scene, lambda: at_the_gate(scene), wait=True)
    await scene.adopt()
    whole, first, second = scene.stock.all_jobs()
    assert (whole.status, whole.job_explanation) == ("canceled", LAUNCHER_GONE)
    assert (first.status, second.status) == ("successful", "canceled")
    assert not scene.at.exists


async def test_launcher_sees_what_it_has_not_seen_of_each_job(scene: Scene) -> None:
    """The first has ended, and its last line was never told; of the second, the first line was."""
    await left(scene, lambda: at_the_gate(scene), wait=True)
    scene.open_gate()
    result, messages = await scene.resume(job_2=1, job_3=1)
    assert (result["failed"], result["job"]["status"]) == (False, "successful"), result
    of = {number: shown([each for each in messages if each.get("job") == number]) for number in (2, 3, 4)}
    assert of == {2: ["RECAP"], 3: ["RECAP"], 4: ["PLAY on a", "RECAP"]}
    check_whole(scene)


async def test_launcher_of_a_workflow_that_ended_as_its_process_was_killed(scene: Scene) -> None:
    scene.open_gate()
    await scene.stock.ask("workflow_job", workflow_job_template="release")
    result, messages = await scene.resume(job_2=2, job_3=1)
    assert (result["failed"], result["job"]["status"]) == (False, "successful")
    of = {number: shown([each for each in messages if each.get("job") == number]) for number in (2, 3, 4)}
    assert of == {2: [], 3: ["RECAP"], 4: ["PLAY on a", "RECAP"]}
