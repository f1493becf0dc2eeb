# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in warm pods: a real supervisor waits in each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.job import conversation, creation, run
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import RunnerStream
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import TakenOver
from ansible_collections.jobpods.controller.plugins.module_utils.pod import wire
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import CLAIMED, MARK, STATE, marked
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    Reply,
    document,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    NODE,
    PODS,
    LittleCluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    DEADLINE,
    GOOD,
    Scene,
    cluster,
)

pytestmark = pytest.mark.usefixtures("quick")

WARM = "automation-warm-1"
NO_MORE = status(403, "exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1", "Forbidden")


def wait_until(done: Callable[[], bool]) -> None:
    latest = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < latest
        time.sleep(0.01)


def only_for_jobs(made: LittleCluster) -> Reply:
    """There is no room for further warm pods, nor for a job's beside one."""

    async def reply(request: web.Request) -> web.StreamResponse:
        if not (await request.json())["metadata"]["name"].startswith("automation-job-"):
            return await NO_MORE(request)
        if made.exists:
            made.lose()
        return await made._create(request)

    return reply


@asynccontextmanager
async def warm_cluster(scene: Scene, authority: Authority) -> AsyncIterator[LittleCluster]:
    """A cluster with one warm pod, that has no room for another one beside a job's."""
    scene.warm()
    scene.pod_names.append(WARM)
    async with cluster(scene, authority, GOOD) as made:
        spec = scene.pool(made.connection)
        made.has_warm(spec.manifest(WARM), {MARK: scene.store.mark(marked("u1", spec.pool))})
        yield made


async def test_job_in_a_warm_pod(scene: Scene, authority: Authority) -> None:
    async with warm_cluster(scene, authority) as made:
        made.server.on("POST", PODS, NO_MORE)
        record = await scene.own(made.connection)
        assert (record.status, record.pod_name, record.pod_uid) == ("successful", WARM, "u1")
        assert record.pod_deleted and not made.exists
        assert made.names == []
        (claim,) = made.claimed
        assert claim["metadata"]["labels"]["jobpods.job-id"] == str(scene.job_id)
        assert f"warm pod {WARM} claimed in namespace jobs" in scene.told.steps
        phases = {each["phase"]: each["detail"] for each in record.start}
        assert list(phases) == ["queued", "creating", "sending", "playbook"]
        assert phases["creating"] == f"warm pod {WARM} claimed"
        assert scene.told.warnings == []


async def test_the_pool_is_filled_again(scene: Scene, authority: Authority) -> None:
    async with warm_cluster(scene, authority) as made:
        spec = scene.pool(made.connection)
        filled: list[str] = []

        async def beside(request: web.Request) -> web.StreamResponse:
            manifest = await request.json()
            filled.append(manifest["metadata"]["name"])
            made.server.on("PATCH", f"{PODS}/{filled[-1]}", document(manifest))
            manifest["metadata"]["uid"] = "u2"
            return web.json_response(manifest, status=201)

        made.server.on("POST", PODS, beside)
        assert (await scene.own(made.connection)).status == "successful"
        assert [name.startswith(f"automation-warm-{spec.pool[:10]}-") for name in filled] == [True]


async def test_warm_pod_that_was_used_before(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "HELLO_LIMIT", 0.5)
    async with warm_cluster(scene, authority) as made:
        made.pod.send(wire.attach(1, 0), wire.payload(1, 0, b"of somebody else"))
        made.server.on("POST", PODS, only_for_jobs(made))
        record = await scene.own(made.connection)
        assert (record.status, record.pod_name, record.pod_uid) == ("successful", scene.pod_name, "u2")
        assert f"warm pod {WARM} does not answer, and is not used" in scene.told.steps
        assert record.attempts == []


async def nothing_comes(_request: web.Request) -> web.StreamResponse:
    """The pod's node is dead, for example, which the API server does not know yet."""
    await asyncio.Event().wait()
    raise AssertionError


async def test_warm_pod_on_a_dead_node(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WARM_ANSWER_LIMIT", 0.2)
    async with warm_cluster(scene, authority) as made:
        made.server.on("GET", f"{PODS}/{WARM}/attach", nothing_comes)
        made.server.on("POST", PODS, only_for_jobs(made))
        record = await scene.own(made.connection)
        assert (record.status, record.pod_name, record.attempts) == ("successful", scene.pod_name, [])
        assert f"warm pod {WARM} does not answer, and is not used" in scene.told.steps


async def test_cancel_while_a_warm_pod_does_not_answer(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WARM_ANSWER_LIMIT", 2.0 * DEADLINE)
    async with warm_cluster(scene, authority) as made:
        owner = scene.owner(made.connection)

        async def canceled(request: web.Request) -> web.StreamResponse:
            owner.cancel("enough")
            return await nothing_comes(request)

        made.server.on("GET", f"{PODS}/{WARM}/attach", canceled)
        async with deadline(DEADLINE):
            await owner.own(scene.finished)
        assert (scene.record.status, len(made.claimed), made.names) == ("canceled", 1, [])
        assert scene.record.pod_deleted and not made.exists


async def test_warm_pod_that_is_lost_before_its_job_begins(scene: Scene, authority: Authority) -> None:
    async with warm_cluster(scene, authority) as made:
        made.server.on("POST", PODS, only_for_jobs(made))
        build, loop = scene.request.payload, asyncio.get_running_loop()
        calls: list[threading.Event] = []

        def build_too_late(unwanted: threading.Event) -> Payload:
            """The first time: when the pod has answered, and is lost."""
            calls.append(unwanted)
            if len(calls) == 1:
                wait_until(lambda: f"running on node {NODE}" in scene.told.steps)
                loop.call_soon_threadsafe(made.lose)
                assert unwanted.wait(DEADLINE)
            return build(unwanted)

        scene.request = replace(scene.request, payload=build_too_late)
        record = await scene.own(made.connection)
        assert (record.status, record.pod_name) == ("successful", scene.pod_names[1])
        (lost,) = record.attempts
        assert (lost["pod_name"], lost["reason"], lost["started"]) == (WARM, "PodDeleted", None)
        assert made.names == [scene.pod_names[1]]
        assert len(made.claimed) == 1


async def test_an_adopter_goes_on_in_the_claimed_pod(scene: Scene, authority: Authority) -> None:
    async with warm_cluster(scene, authority) as made:
        taken = TakenOver("u1", RunnerStream(), False, WARM)
        scene.request = replace(scene.request, taken=taken)
        record = await scene.own(made.connection)
        assert (record.status, record.pod_name) == ("successful", WARM)
        assert not made.names and not made.claimed


def claimed_before(scene: Scene, made: LittleCluster) -> None:
    """The pod was claimed for the job by an earlier owner, who was gone before it could say so."""
    assert made.manifest
    labels = made.manifest["metadata"]["labels"]
    made.manifest["metadata"]["labels"] = {**labels, STATE: CLAIMED, **scene.request.identity.labels}
    scene.request = replace(scene.request, taken=TakenOver("", RunnerStream(), False))


async def test_an_adopter_finds_the_pod_that_was_claimed_and_not_noted(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the API server does not say at once whether there is one."""
    monkeypatch.setattr(creation, "BACKOFF", (0.01,))
    async with warm_cluster(scene, authority) as made:
        claimed_before(scene, made)
        away = [status(503, "the server is away", "ServiceUnavailable")] * 4
        made.server.on("GET", PODS, *away, made._watch)
        record = await scene.own(made.connection)
        assert (record.status, record.pod_name, record.pod_uid) == ("successful", WARM, "u1")
        assert made.names == []


async def test_an_adopter_leaves_a_pod_that_was_not_used_for_good_reason(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WARM_ANSWER_LIMIT", 0.2)
    async with warm_cluster(scene, authority) as made:
        claimed_before(scene, made)
        made.server.on("GET", f"{PODS}/{WARM}/attach", nothing_comes)
        made.server.on("POST", PODS, only_for_jobs(made))
        record = await scene.own(made.connection)
        assert (record.status, record.pod_name) == ("successful", scene.pod_name)
