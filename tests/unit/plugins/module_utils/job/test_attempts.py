# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lost pod is replaced where its playbook can't have begun, else only where the user has asked for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.job import attempts, owner, removal
from ansible_collections.jobpods.controller.plugins.module_utils.job.attempts import ATTEMPTS
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import RunnerStream
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import job_result
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import TakenOver
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import status
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    EVICTED,
    NODE,
    PODS,
    REJECTED,
    LittleCluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BEGIN,
    DEADLINE,
    GOOD,
    Scene,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import (
    event,
    say,
)

pytestmark = pytest.mark.usefixtures("quick")

TASK = event(2, "runner_on_ok", "TASK") + event(3, "runner_on_ok", "ANOTHER")
SAME = event(4, "playbook_on_stats", "RECAP", ok={"a": 1})
OUT_OF_CPU = (
    "The kubelet refused to run the pod on node node1: OutOfcpu: Pod was rejected: there is no cpu left."
)


def waits_at_first(scene: Scene, end: str) -> str:
    """A script that waits for ever in its first pod, with three events, and has `end` in the next one."""
    marker = str(scene.folder / "ran")
    wait = f"if not os.path.exists({marker!r}): open({marker!r}, 'w').close(); time.sleep(600)\n"
    return BEGIN + TASK + wait + end + say(status="successful") + say(eof=True)


async def begun(scene: Scene, events: int) -> None:
    """Waits until so many events are stored, and the row says that the playbook runs."""
    while scene.record.event_count < events or scene.record.status != "running":
        await asyncio.sleep(0.02)


# --- before the playbook -----

PHASES = ["queued", "creating", "scheduling", "starting", "connecting", "sending", "playbook"]
"""Of a start in a pod that runs, as the cluster says, as soon as it is made."""


@pytest.mark.parametrize(
    ("loss", "reason", "message"),
    [
        pytest.param(
            EVICTED,
            "Evicted",
            "The pod was evicted from node node1: The node was low on resource: memory.",
            id="evicted",
        ),
        pytest.param(REJECTED, "Unschedulable", OUT_OF_CPU, id="rejected"),
    ],
)
async def test_pod_that_is_lost_before_its_worker_starts(
    scene: Scene, authority: Authority, loss: dict[str, Any], reason: str, message: str
) -> None:
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [loss]
        record = await scene.own(at.connection)
        assert (record.status, record.failure, record.job_explanation) == ("successful", None, "")
        assert at.names == scene.pod_names[:2]
        assert (at.deleted, at.exists, record.pod_deleted) == ([0, 0], False, True)
        assert (record.pod_name, record.pod_uid, record.event_count) == (scene.pod_names[1], "u2", 2)
        assert scene.told.counters == [1, 2]
        assert scene.told.warnings == [
            f"attempt 1 was lost before its playbook was started ({reason}: {message}); trying again in"
            " another pod, attempt 2 of 4"
        ]
        first, second = job_result(scene.store, scene.job_id)["job"]["attempts"]
        assert [each["phase"] for each in first.pop("start")] == PHASES[:4]
        begun = second.pop("start")
        assert begun == job_result(scene.store, scene.job_id)["job"]["start"]
        assert begun[0]["detail"] == f"attempt 1 was lost ({reason})"
        assert [each["phase"] for each in begun] == PHASES
        assert first.pop("finished") is not None
        assert first == {
            "attempt": 1,
            "pod_name": scene.pod_names[0],
            "execution_node": NODE,
            "started": None,
            "reason": reason,
            "message": message,
        }
        assert None not in (second.pop("started"), second.pop("finished"))
        assert second == {
            "attempt": 2,
            "pod_name": scene.pod_names[1],
            "execution_node": NODE,
            "reason": "",
            "message": "",
        }


async def test_pull_secret_goes_with_each_pod(scene: Scene, authority: Authority) -> None:
    scene.log_in()
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [EVICTED]
        record = await scene.own(at.connection)
        assert record.status == "successful", record.failure
        secrets = [seen.path for seen in at.server.seen if seen.method == "DELETE" and "secrets" in seen.path]
        assert [path.split("/")[-1] for path in secrets] == [f"{name}-pull" for name in scene.pod_names[:2]]
        assert not at.has_secret


async def test_there_is_an_end_of_it(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [EVICTED] * (ATTEMPTS + 1)
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "Evicted"
        assert record.job_explanation.endswith(" This was attempt 4 of 4.")
        assert (record.status, record.changed) == ("error", False)
        assert at.names == scene.pod_names
        facts = job_result(scene.store, scene.job_id)["job"]
        assert [each["attempt"] for each in facts["attempts"]] == [1, 2, 3, 4]
        assert {each["reason"] for each in facts["attempts"]} == {"Evicted"}


async def test_time_of_the_start_counts_from_the_first_create(scene: Scene, authority: Authority) -> None:
    launch = scene.request.launch
    group = replace(launch.group, pod_pending_timeout=1)
    scene.request = replace(scene.request, launch=replace(launch, group=group))
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [EVICTED] * ATTEMPTS

        async def slow(request: Any) -> Any:
            await asyncio.sleep(1.1)
            return await at._create(request)

        at.server.on("POST", PODS, slow)
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "Evicted"
        assert "pod_pending_timeout (1 s) leaves no time for another attempt" in record.job_explanation
        assert at.names == scene.pod_names[:1]


async def test_cancel_between_two_attempts(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "PAUSES", (600.0,))
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [EVICTED]
        task = asyncio.create_task(scene.own(at.connection))
        while not scene.told.warnings:
            await asyncio.sleep(0.02)
        assert scene.record.status == "waiting"
        assert scene.record.job_explanation.startswith("Attempt 1 was lost: The pod was evicted")
        scene.store.request_cancel(scene.job_id)
        record = await asyncio.wait_for(task, DEADLINE)
        assert (record.status, record.pod_name, record.pod_deleted) == ("canceled", "", True)
        assert at.names == scene.pod_names[:1]
        assert [each["reason"] for each in record.attempts] == ["Evicted"]


async def test_lost_pod_that_may_not_be_deleted_is_the_last(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "REFUSAL_LIMIT", 0.2)
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [EVICTED]
        at.server.on("DELETE", f"{PODS}/{scene.pod_name}", status(403, "pods is forbidden: no", "Forbidden"))
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "Evicted"
        assert (record.pod_name, record.pod_deleted, record.attempts) == (scene.pod_name, False, [])
        assert at.names == scene.pod_names[:1]
        assert "remove it by hand" in scene.told.warnings[-1]


async def test_lost_pod_that_stays_is_not_waited_for_longer_than_for_the_cluster(
    scene: Scene, authority: Authority
) -> None:
    scene.outage(1)
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [EVICTED]
        at.undeletable = 1000
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.finished.wait(), DEADLINE)
        at.undeletable = 0
        record = await task
        assert record.failure is not None and record.failure["reason"] == "Evicted"
        assert "not gone within cluster_outage_timeout (1 s)" in record.job_explanation
        assert (at.exists, record.pod_deleted, record.attempts) == (False, True, [])
        assert at.names == scene.pod_names[:1]


async def test_lost_pod_of_a_job_that_another_owner_has_taken_over_is_left_alone(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "HEARTBEAT_INTERVAL", 600)
    async with cluster(scene, authority, GOOD) as at:
        at.flowing.clear()

        async def taken(request: web.Request) -> web.StreamResponse:
            scene.store.claim(scene.job_id, "another")
            at.has(scene.pod_name, EVICTED)
            return await at._watch(request)

        at.server.on("GET", PODS, taken)
        earlier = scene.owner(at.connection)
        async with deadline(DEADLINE):
            await earlier.own(scene.finished)
        assert earlier.unfinished is not None
        assert (at.deleted, at.names) == ([], scene.pod_names[:1])


# --- after the playbook may have begun -----


async def test_playbook_that_may_have_begun_is_not_repeated(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, waits_at_first(scene, SAME)) as at:
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(begun(scene, 3), DEADLINE)
        at.lose()
        record = await task
        assert record.failure is not None and record.failure["reason"] == "PodDeleted"
        assert record.failure["hint"].endswith(
            "A playbook that may run twice is started again by itself with retry_on_node_loss."
        )
        assert (record.status, record.changed, record.event_count) == ("error", None, 3)
        assert at.names == scene.pod_names[:1]


async def lost_once(scene: Scene, at: LittleCluster) -> None:
    task = asyncio.create_task(scene.own(at.connection))
    await asyncio.wait_for(begun(scene, 3), DEADLINE)
    at.lose()
    await task


async def test_playbook_that_may_run_twice_is_repeated(scene: Scene, authority: Authority) -> None:
    scene.repeat()
    async with cluster(scene, authority, waits_at_first(scene, SAME)) as at:
        await lost_once(scene, at)
        record = scene.record
        assert (record.status, record.failure) == ("successful", None)
        assert at.names == scene.pod_names[:2]
        assert [each["counter"] for each in scene.store.events(scene.job_id)] == [1, 2, 3, 4]
        assert scene.told.counters == [1, 2, 3, 4]
        assert (record.event_count, scene.store.stdout(scene.job_id)[0]) == (
            4,
            "PLAY\nTASK\nANOTHER\nRECAP\n",
        )
        (warning,) = scene.told.warnings
        assert warning == (
            "attempt 1 was lost after its playbook may have begun (PodDeleted: The pod was deleted by"
            " somebody else.); trying again in another pod, attempt 2 of 4; the output starts again from its"
            " beginning"
        )
        assert record.changed is None  # the first one may have
        result = job_result(scene.store, scene.job_id)
        assert result["changed"]
        assert [each["started"] is None for each in result["job"]["attempts"]] == [False, False]


async def test_repeated_playbook_that_fails_before_it_begins(scene: Scene, authority: Authority) -> None:
    """The first attempt may have changed something, also where the last one has not come so far."""
    scene.repeat()
    async with cluster(scene, authority, waits_at_first(scene, SAME)) as at:
        at.server.on("POST", PODS, at._create, status(403, "pods is forbidden: no", "Forbidden"))
        await lost_once(scene, at)
        record = scene.record
        assert record.failure is not None and record.failure["reason"] == "Forbidden"
        assert (record.event_count, record.pod_name, record.pod_deleted) == (0, "", True)
        assert (record.changed, job_result(scene.store, scene.job_id)["changed"]) == (None, True)


# --- taken over from another owner -----


def taken_over(scene: Scene, attempt: int, uid: str) -> None:
    """Has the scene's owner find the job as an earlier one has left it."""
    identity = replace(scene.request.identity, attempt=attempt)
    taken = TakenOver(uid, RunnerStream(), started=False)
    scene.request = replace(scene.request, identity=identity, taken=taken)


@pytest.mark.parametrize("repeat", [False, True], ids=["once", "twice"])
async def test_earlier_owner_may_have_started_the_playbook(
    scene: Scene, authority: Authority, repeat: bool
) -> None:
    taken_over(scene, 1, "u1")
    if repeat:
        scene.repeat()
    async with cluster(scene, authority, GOOD) as at:
        at.has(scene.pod_name, EVICTED)
        record = await scene.own(at.connection)
        assert at.names == (scene.pod_names[1:2] if repeat else [])
        assert record.status == ("successful" if repeat else "error"), record.failure
        assert [each["started"] is None for each in record.attempts] == [False] * repeat
        assert job_result(scene.store, scene.job_id)["changed"]


async def test_earlier_owner_was_gone_between_two_attempts(scene: Scene, authority: Authority) -> None:
    lost = {
        "attempt": 1,
        "pod_name": scene.pod_name,
        "execution_node": "",
        "reason": "Evicted",
        "message": "m",
    }
    scene.store.next_attempt(scene.job_id, scene.lease, lost, started=False)
    taken_over(scene, 2, "")
    async with cluster(scene, authority, GOOD) as at:
        at.losing = [EVICTED]
        record = await scene.own(at.connection)
        assert record.status == "successful", record.failure
        assert at.names == scene.pod_names[1:3]
        assert [each["attempt"] for each in record.attempts] == [1, 2]
