# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run goes on whatever the API server says meanwhile, and ends as its supervisor says."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import (
    conversation,
    pod_watch,
    removal,
    run,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload, Unwanted
from ansible_collections.jobpods.controller.plugins.module_utils.job.pod_watch import PodWatch
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    Reply,
    status,
    text,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    PODS,
    SECRETS,
    LittleCluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BAD,
    BEGIN,
    DEADLINE,
    ENDLESS,
    GOOD,
    RECAP,
    Scene,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import (
    event,
    say,
)

pytestmark = pytest.mark.usefixtures("quick")

END = say(status="successful") + say(eof=True)


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_watch, "WATCH_BACKOFF", (0.02,))


def gated(scene: Scene, end: str = RECAP + END) -> str:
    """A script that ends well when the file `gate` is there."""
    return BEGIN + f"while not os.path.exists({str(scene.folder / 'gate')!r}): time.sleep(0.02)\n" + end


def passes(scene: Scene) -> None:
    (scene.folder / "gate").touch()


async def test_event_of_many_megabytes(scene: Scene, authority: Authority) -> None:
    size = 20 << 20
    head = '{"uuid": "u2", "counter": 2, "event": "runner_on_ok", "event_data": {}, "stdout": "'
    big = f"print({head!r} + 'x' * {size} + '\"}}', flush=True)\n"
    stats = event(3, "playbook_on_stats", "RECAP", ok={"a": 1})
    async with cluster(scene, authority, BEGIN + big + stats + END) as at:
        record = await scene.own(at.connection)
        assert (record.status, record.event_count) == ("successful", 3), record.failure
        assert len(scene.store.stdout(scene.job_id)[0]) > size


# --- an API server that refuses -----

FORBIDDEN = status(
    403, 'pods is forbidden: User "bob" cannot get resource "pods" in the namespace "jobs"', "Forbidden"
)
NO_ATTACH = status(
    403,
    'pods is forbidden: User "bob" cannot get resource "pods/attach" in the namespace "jobs"',
    "Forbidden",
)
UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")
STRANGER = text("<html>default backend - 404</html>", 404)
REFUSALS = [
    pytest.param(FORBIDDEN, id="403"),
    pytest.param(UNAUTHORIZED, id="401"),
    pytest.param(STRANGER, id="404-of-a-load-balancer"),
]


def breaking(reply: Reply, broken: asyncio.Event) -> Reply:
    """A stream that breaks when the event is set."""

    async def stream(request: web.Request) -> web.StreamResponse:
        answering = asyncio.ensure_future(reply(request))
        await broken.wait()
        answering.cancel()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return stream


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_watch_and_look_that_are_refused_for_a_while(
    scene: Scene, authority: Authority, refusal: Reply
) -> None:
    broken = asyncio.Event()
    async with cluster(scene, authority, gated(scene)) as at:
        pod = f"{PODS}/{scene.pod_name}"
        at.server.on("GET", PODS, breaking(at._watch, broken), refusal, at._watch)
        at.server.on("GET", pod, *[refusal] * 20, at._get)
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        broken.set()
        while len(at.server.replies["GET", PODS]) > 1:
            await asyncio.sleep(0.02)
            assert not task.done()
        passes(scene)
        record = await task
        assert record.status == "successful", record.failure
        (warning,) = scene.told.warnings
        assert warning.startswith("the pod can't be watched, which is tried again: ")


@pytest.mark.parametrize("refusal", [*REFUSALS, pytest.param(NO_ATTACH, id="403-for-attach")])
async def test_attach_that_is_refused_for_a_while(scene: Scene, authority: Authority, refusal: Reply) -> None:
    broken = asyncio.Event()
    async with cluster(scene, authority, gated(scene)) as at:
        path = f"{PODS}/{scene.pod_name}/attach"
        at.server.on("GET", path, breaking(at._attach, broken), *[refusal] * 20, at._attach)
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        broken.set()
        while len(at.server.replies["GET", path]) > 1:
            await asyncio.sleep(0.02)
            assert not task.done()
        passes(scene)
        record = await task
        assert record.status == "successful", record.failure
        (warning,) = scene.told.warnings
        assert warning.startswith("the connection to the pod is gone; the run goes on in it, and connecting")
        assert any(step.startswith("connected again after") for step in scene.told.steps)


async def test_attach_that_is_refused_for_longer_than_an_outage_may_last(
    scene: Scene, authority: Authority
) -> None:
    broken = asyncio.Event()
    scene.outage(1)
    async with cluster(scene, authority, ENDLESS) as at:
        path = f"{PODS}/{scene.pod_name}/attach"
        at.server.on("GET", path, breaking(at._attach, broken), NO_ATTACH)
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        broken.set()
        record = await task
        assert record.failure is not None
        assert (record.failure["reason"], record.failure["http_status"]) == ("AttachForbidden", 403)
        assert "cluster_outage_timeout (1 s)" in record.job_explanation
        assert "may not get pods/attach" in record.job_explanation
        assert (at.deleted[0], record.pod_deleted) == (1, True)


async def test_attach_that_is_refused_from_the_start(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "REFUSAL_GRACE", 0.3)
    async with cluster(scene, authority, GOOD) as at:
        at.server.on("GET", f"{PODS}/{scene.pod_name}/attach", NO_ATTACH)
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "AttachForbidden"
        assert "cluster_outage_timeout" not in record.job_explanation
        assert (record.changed, at.deleted, record.pod_deleted) == (False, [0], True)


async def test_first_attach_may_be_refused_for_a_moment(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        at.server.on("GET", f"{PODS}/{scene.pod_name}/attach", NO_ATTACH, NO_ATTACH, at._attach)
        record = await scene.own(at.connection)
        assert record.status == "successful", record.failure
        assert scene.told.warnings == []


async def test_watch_that_is_refused_from_the_start(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_watch, "REFUSAL_GRACE", 0.3)
    async with cluster(scene, authority, GOOD) as at:
        at.server.on("GET", PODS, FORBIDDEN)
        at.server.on("GET", f"{PODS}/{scene.pod_name}/attach", status(400, "not yet", "BadRequest"))
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "Forbidden"
        assert record.pod_deleted


# --- errors of our own -----


async def test_watch_that_meets_an_error_of_our_own(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: PodWatch, pod: dict[str, Any]) -> None:
        raise KeyError("oh no")

    monkeypatch.setattr(PodWatch, "_see", broken)
    async with cluster(scene, authority, ENDLESS) as at:
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ControllerLost"
        assert "KeyError: 'oh no'" in record.result_traceback
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_row_that_can_t_be_marked_as_running_is_told(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = scene.store.update

    def sometimes(job_id: int, lease: int, **columns: Any) -> None:
        if columns.get("status") == "running":
            raise KeyError("oh no")
        update(job_id, lease, **columns)

    monkeypatch.setattr(scene.store, "update", sometimes)
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert record.status == "successful"
        assert scene.told.warnings == ["the job could not be marked as running: KeyError('oh no')"]


# --- what may have run -----


async def test_playbook_may_run_from_the_moment_in_which_it_is_told_to_start(
    scene: Scene, authority: Authority
) -> None:
    """The connection breaks with the start, for good: nobody knows what the playbook has changed since."""
    scene.outage(1)
    async with cluster(scene, authority, ENDLESS) as at:

        async def attach(request: web.Request) -> web.StreamResponse:
            websocket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), max_msg_size=0)
            await websocket.prepare(request)
            queue: asyncio.Queue[bytes] = asyncio.Queue()
            at._attached.add(queue)
            sending = asyncio.create_task(at._send(websocket, queue))
            async for message in websocket:
                if b"\x1eJP1 start " in message.data:
                    break
                await asyncio.to_thread(at.pod.send, message.data[1:])
            at._attached.discard(queue)
            sending.cancel()
            assert request.transport is not None
            request.transport.abort()
            return websocket

        at.server.on(
            "GET", f"{PODS}/{scene.pod_name}/attach", attach, status(404, "pods not found", "NotFound")
        )
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ClusterUnreachable"
        assert record.changed is None
        assert at.deleted[0] == 1


# --- cancel -----


async def canceled(scene: Scene, at: LittleCluster, when: asyncio.Event) -> None:
    """Runs the job, cancels it at a moment, and waits for its end."""
    owning = scene.owner(at.connection)
    task = asyncio.create_task(owning.own(scene.finished))
    async with deadline(DEADLINE):
        await when.wait()
        owning.cancel("Nobody wants it.")
        await task


async def test_cancel_while_the_pod_is_made(scene: Scene, authority: Authority) -> None:
    asked = asyncio.Event()
    async with cluster(scene, authority, ENDLESS) as at:

        async def slow(request: web.Request) -> web.StreamResponse:
            asked.set()
            await asyncio.sleep(0.5)
            return await at._create(request)

        at.server.on("POST", PODS, slow)
        await canceled(scene, at, asked)
        record = scene.record
        assert (record.status, record.pod_uid, record.pod_deleted) == ("canceled", "u1", True)
        assert (at.deleted, at.exists) == ([0], False)


async def test_pod_that_appears_after_its_job_was_cancelled(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ansible_collections.jobpods.controller.plugins.module_utils.job.creation.ANSWER_LIMIT", 0.1
    )
    asked = asyncio.Event()
    async with cluster(scene, authority, ENDLESS) as at:

        async def too_slow(request: web.Request) -> web.StreamResponse:
            manifest = await request.json()
            asked.set()
            await scene.finished.wait()
            at.manifest = manifest
            return web.json_response({}, status=201)

        at.server.on("POST", PODS, too_slow)
        cancelling = asyncio.create_task(canceled(scene, at, asked))
        await asyncio.wait_for(scene.finished.wait(), DEADLINE)
        record = scene.record
        assert (record.status, record.pod_name, record.pod_deleted) == ("canceled", scene.pod_name, False)
        await cancelling
        assert scene.record.pod_deleted
        assert (at.deleted, at.exists) == ([0], False)


@pytest.mark.parametrize(
    ("end", "ends_as"),
    [
        pytest.param(RECAP + END, "successful", id="successful"),
        pytest.param(BAD.removeprefix(BEGIN), "failed", id="failed"),
    ],
)
async def test_cancel_of_a_run_that_is_over(
    scene: Scene, authority: Authority, end: str, ends_as: str
) -> None:
    async with cluster(scene, authority, gated(scene, end)) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            await scene.told.heard.wait()
            at.flowing.clear()
            passes(scene)
            await at.ended.wait()
            owning.cancel("Nobody wants it.")
            at.flowing.set()
            await task
        assert scene.record.status == ends_as


# --- the image pull secret -----


async def test_secret_is_there_as_long_as_the_pod(scene: Scene, authority: Authority) -> None:
    password = scene.log_in()
    async with cluster(scene, authority, gated(scene)) as at:
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        assert at.secret is not None
        assert at.manifest is not None
        assert at.manifest["spec"]["imagePullSecrets"] == [{"name": at.secret["metadata"]["name"]}]
        assert password not in json.dumps(at.manifest)
        passes(scene)
        record = await task
        assert (record.status, record.pod_deleted) == ("successful", True)
        assert (at.exists, at.has_secret) == (False, False)
        assert [seen.path.rpartition("/")[2] for seen in at.server.seen if seen.method == "POST"] == [
            "secrets",
            "pods",
        ]
        assert scene.told.warnings == []
        assert password not in json.dumps(scene.told.steps) + repr(record)


async def test_secret_of_a_cancelled_job_is_removed(scene: Scene, authority: Authority) -> None:
    scene.log_in()
    async with cluster(scene, authority, ENDLESS) as at:
        await canceled(scene, at, scene.told.heard)
        assert (scene.record.status, at.exists, at.has_secret) == ("canceled", False, False)


async def test_cancel_while_the_secret_is_made(scene: Scene, authority: Authority) -> None:
    scene.log_in()
    asked = asyncio.Event()
    async with cluster(scene, authority, ENDLESS) as at:

        async def slow(request: web.Request) -> web.StreamResponse:
            asked.set()
            await asyncio.sleep(0.5)
            return await at._create_secret(request)

        at.server.on("POST", SECRETS, slow)
        await canceled(scene, at, asked)
        record = scene.record
        assert (record.status, record.pod_name, record.pod_deleted) == ("canceled", "", True)
        assert (at.manifest, at.has_secret, at.requests("DELETE")) == (None, False, 1)


async def test_secret_of_a_refused_pod_is_removed_before_the_result(
    scene: Scene, authority: Authority
) -> None:
    scene.log_in()
    async with cluster(scene, authority, ENDLESS) as at:
        at.server.on("POST", PODS, FORBIDDEN)
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "Forbidden"
        assert (record.pod_name, record.pod_deleted, at.has_secret) == ("", True, False)
        assert at.requests("DELETE") == 1


async def test_secret_that_can_t_be_removed_now_is_removed_behind_the_result(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "QUICK_REMOVAL", 0.2)
    scene.log_in()
    async with cluster(scene, authority, ENDLESS) as at:
        name = f"{scene.pod_name}-pull"
        away = status(503, "the server is away", "ServiceUnavailable")
        at.server.on("POST", PODS, FORBIDDEN)
        at.server.on("DELETE", f"{SECRETS}/{name}", away)
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.finished.wait(), DEADLINE)
        assert (scene.record.status, scene.record.pod_deleted) == ("error", False)
        had = at.has_secret
        at.server.on("DELETE", f"{SECRETS}/{name}", at._delete_secret)
        record = await task
        assert (had, record.pod_deleted, at.has_secret) == (True, True, False)


async def test_secret_that_may_not_be_deleted_does_not_keep_the_pod(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "REFUSAL_LIMIT", 0.1)
    scene.log_in()
    async with cluster(scene, authority, GOOD) as at:
        name = f"{scene.pod_name}-pull"
        at.server.on("DELETE", f"{SECRETS}/{name}", FORBIDDEN)
        record = await scene.own(at.connection)
        assert (record.status, record.pod_deleted, at.exists) == ("successful", True, False)
        assert scene.told.warnings[-1].startswith(f"secret {name} could not be deleted, remove it by hand: ")


# --- whose pod it is -----


@pytest.mark.parametrize("wait", [True, False], ids=["attached", "detached"])
async def test_pod_of_a_controller_in_a_pod_goes_with_it_where_somebody_waits(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch, wait: bool
) -> None:
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "controller-0", "uid": "u7"}

    async def found(client: ClusterClient, namespace: str, host_name: str) -> dict[str, Any]:
        assert (namespace, host_name) == ("jobs", "here")
        return reference

    monkeypatch.setattr(run, "owner_reference", found)
    launch = dataclasses.replace(scene.request.launch, wait=wait)
    scene.request = dataclasses.replace(scene.request, launch=launch)
    async with cluster(scene, authority, GOOD) as at:
        await scene.own(at.connection)
        assert at.manifest is not None
        assert at.manifest["metadata"].get("ownerReferences") == ([reference] if wait else None)


async def test_own_pod_that_can_t_be_read_is_told(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(client: ClusterClient, namespace: str, host_name: str) -> None:
        raise Failure("Forbidden", "You may not get pods.")

    monkeypatch.setattr(run, "owner_reference", refused)
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert record.status == "successful"
        assert at.manifest is not None and "ownerReferences" not in at.manifest["metadata"]
        words = "this controller's own pod can't be made the owner of the job's: You may not get pods."
        assert words in scene.told.steps


async def test_job_that_is_left_keeps_its_secret(scene: Scene, authority: Authority) -> None:
    scene.log_in()
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            await scene.told.heard.wait()
            owning.leave()
            await task
        assert (at.exists, at.has_secret, at.requests("DELETE")) == (True, True, 0)


async def test_login_that_nodes_won_t_use_is_told(scene: Scene, authority: Authority) -> None:
    scene.log_in()
    launch = scene.request.launch
    environment = launch.group.execution_environment
    assert environment is not None
    other = dataclasses.replace(
        launch.group, execution_environment=dataclasses.replace(environment, image="ghcr.io/a")
    )
    scene.request = dataclasses.replace(scene.request, launch=dataclasses.replace(launch, group=other))
    async with cluster(scene, authority, GOOD) as at:
        await scene.own(at.connection)
        (warning,) = scene.told.warnings
        assert warning == (
            "the execution environment's credential is for quay.io, so that nodes pull ghcr.io/a without it"
        )


# --- the payload -----


async def test_cancel_does_not_wait_for_the_payload(scene: Scene, authority: Authority) -> None:
    building, release = threading.Event(), threading.Event()
    build = scene.request.payload

    def slow(unwanted: threading.Event) -> Payload:
        building.set()
        assert release.wait(DEADLINE)
        return build(threading.Event())

    scene.request = dataclasses.replace(scene.request, payload=slow)
    async with cluster(scene, authority, ENDLESS) as at:
        made = asyncio.Event()
        at.server.on("POST", PODS, telling(at._create, made))
        await canceled(scene, at, made)
        assert building.is_set()
        assert (scene.record.status, scene.record.pod_deleted) == ("canceled", True)
        release.set()
        async with deadline(DEADLINE):
            while not scene.payloads or not scene.payloads[0].file.closed:
                await asyncio.sleep(0.02)


async def test_end_tells_whoever_builds_the_payload_to_stop(scene: Scene, authority: Authority) -> None:
    stopped = threading.Event()

    def endless(unwanted: threading.Event) -> Payload:
        if unwanted.wait(DEADLINE):
            stopped.set()
        raise Unwanted

    scene.request = dataclasses.replace(scene.request, payload=endless)
    async with cluster(scene, authority, ENDLESS) as at:
        made = asyncio.Event()
        at.server.on("POST", PODS, telling(at._create, made))
        await canceled(scene, at, made)
        assert await asyncio.to_thread(stopped.wait, DEADLINE)
        assert scene.record.status == "canceled"


def telling(reply: Reply, told: asyncio.Event) -> Reply:
    """A reply that is told when it is given."""

    async def tell(request: web.Request) -> web.StreamResponse:
        answer = await reply(request)
        told.set()
        return answer

    return tell
