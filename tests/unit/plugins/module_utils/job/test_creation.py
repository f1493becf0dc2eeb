# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod is made once, and whoever has to delete it knows whether there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import creation
from ansible_collections.jobpods.controller.plugins.module_utils.job.creation import (
    Creation,
    CreationLimits,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.pull_secret import PullSecret
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import Phase
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    Reply,
    document,
    hang_up,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import Told

PODS = "/api/v1/namespaces/jobs/pods"
DEADLINE = 60
SECRETS = "/api/v1/namespaces/jobs/secrets"
MANIFEST = {"kind": "Pod", "metadata": {"name": "job-1", "namespace": "jobs"}}
POD = {"kind": "Pod", "metadata": {"name": "job-1", "namespace": "jobs", "uid": "u1"}}
MADE = document(POD, 201)
SHOWN = document(POD)
FULL = status(403, 'pods "job-1" is forbidden: exceeded quota: small', "Forbidden")
FORBIDDEN = status(403, "pods is forbidden: no", "Forbidden")
EXISTS = status(409, 'pods "job-1" already exists', "AlreadyExists")
GONE = status(404, "pods not found", "NotFound")
NOTED = {
    "status": "waiting",
    "job_explanation": "",
    "pod_name": "job-1",
    "pod_uid": "u1",
    "pod_deleted": False,
}


class Notes:
    """A notebook that keeps what it is told."""

    def __init__(self) -> None:
        self.columns: list[dict[str, Any]] = []
        self.phases: list[tuple[str, str]] = []

    async def note(self, **columns: Any) -> None:
        self.columns.append(columns)

    async def next_attempt(self, lost: dict[str, Any], *, started: bool) -> None:
        raise AssertionError(lost)

    def phase(self, phase: Phase, detail: str = "") -> float:
        self.phases.append((phase, detail))
        return 0.0

    def begun(self, task: str = "") -> None:
        raise AssertionError(task)

    def record(self, batch: Batch) -> None:
        raise AssertionError("there are no events yet")


class Scene:
    """A creation, its cluster, and whom it tells."""

    def __init__(self, server: ApiServer, client: ClusterClient, limits: CreationLimits) -> None:
        self.server = server
        self.notes = Notes()
        self.told = Told()
        self.stop: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self.creation = Creation(client, limits, self.notes, self.told)
        self._client, self._limits = client, limits

    def add_secret(self, *replies: Reply) -> PullSecret:
        """Has the pod need an image pull secret, whose creates are answered so."""
        identity, registry = PodIdentity(1, "u", 1, "here"), Registry("quay.io", "me", "s3cret")
        secret = PullSecret(self._client, identity, "jobs", registry, self.told)
        self.creation = Creation(self._client, self._limits, self.notes, self.told, secret)
        self.server.on("POST", SECRETS, *replies)
        return secret

    def made(self) -> list[str]:
        """What was asked to be made, in order."""
        return [seen.path.rpartition("/")[2] for seen in self.server.seen if seen.method == "POST"]

    def answers(self, *replies: Reply) -> None:
        self.server.on("POST", PODS, *replies)

    def shows(self, *replies: Reply) -> None:
        self.server.on("GET", f"{PODS}/job-1", *replies)

    def asked(self, method: str) -> int:
        return sum(seen.method == method for seen in self.server.seen)

    @property
    def looked(self) -> int:
        """How often the pod was looked for."""
        return sum(seen.method == "GET" and seen.path == f"{PODS}/job-1" for seen in self.server.seen)

    async def create(self, **known: bool) -> dict[str, Any]:
        async with deadline(30):
            return await self.creation.create(MANIFEST, self.stop, **known)

    async def find(self, uid: str = "u1", patience: float = 30.0) -> dict[str, Any]:
        async with deadline(30):
            return await self.creation.find(MANIFEST, uid, patience, self.stop)

    def cancel(self) -> None:
        self.stop.set_result(Failure("Canceled", "Nobody wants it."))

    @property
    def known(self) -> tuple[bool, str | None]:
        return self.creation.may_exist, self.creation.uid


@pytest.fixture
async def server(authority: Authority, tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with ApiServer(server_context(tmp_path / "server", *authority.issue("127.0.0.1"))) as running:
        yield running


@asynccontextmanager
async def scene(
    server: ApiServer, authority: Authority, patience: float = 3600, outage: float = 3600
) -> AsyncIterator[Scene]:
    connection = Connection(host=server.url, source="the test", token=SENT, ca_text=authority.pem)
    retry = RetryPolicy(attempts=2, first_delay=0.001)
    async with ClusterClient(connection, environ={}, retry=retry) as client:
        yield Scene(server, client, CreationLimits(patience, outage))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "BACKOFF", (0.01,))


async def test_pod_is_made_and_noted(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(MADE)
        assert await at.create() == POD
        assert at.known == (True, "u1")
        assert at.notes.columns == [NOTED]
        assert at.told.steps == ["pod job-1 created in namespace jobs"]


async def test_quota_is_waited_for(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(FULL, FULL, MADE)
        assert await at.create() == POD
        assert at.known == (True, "u1")
        assert at.looked == 0
        *waited, made = at.notes.columns
        assert made == NOTED
        assert len(waited) == 2
        assert all(columns["status"] == "pending" for columns in waited)
        assert all("exceeded quota" in columns["job_explanation"] for columns in waited)
        (warning,) = at.told.warnings
        assert warning.startswith("waiting for quota: ")


async def test_quota_is_not_waited_for_for_ever(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority, patience=0.1) as at:
        at.answers(FULL)
        with pytest.raises(Failure, match=r"It lasted longer than pod_pending_timeout \(0 s\)") as caught:
            await at.create()
        assert caught.value.reason == "QuotaExceeded"
        assert at.known == (False, None)


async def test_create_that_was_sent_twice(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(hang_up, EXISTS)
        at.shows(SHOWN)
        assert await at.create() == POD
        assert at.known == (True, "u1")
        assert at.notes.columns == [NOTED]


async def test_pod_that_existed_a_moment_ago(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(EXISTS, MADE)
        at.shows(GONE)
        assert await at.create() == POD
        assert (at.asked("POST"), at.asked("GET")) == (2, 1)


async def test_pod_that_exists_and_does_not(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority, patience=0.1) as at:
        at.answers(EXISTS)
        at.shows(GONE)
        with pytest.raises(Failure, match="pod_pending_timeout"):
            await at.create()


async def test_refused_create_leaves_no_pod(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(FORBIDDEN)
        with pytest.raises(Failure, match="may not create pods"):
            await at.create()
        assert at.known == (False, None)


@pytest.mark.parametrize(
    "first", [pytest.param(hang_up, id="reset"), pytest.param(status(504, "slow", "Timeout"), id="504")]
)
async def test_refusal_after_a_create_that_may_have_worked(
    server: ApiServer, authority: Authority, first: Reply
) -> None:
    async with scene(server, authority) as at:
        at.answers(first, FORBIDDEN)
        with pytest.raises(Unreachable, match="may not create pods"):
            await at.create()
        assert at.known == (True, None)


async def test_pod_of_a_broken_create_may_be_what_fills_the_quota(
    server: ApiServer, authority: Authority
) -> None:
    async with scene(server, authority) as at:
        at.answers(hang_up, FULL)
        at.shows(SHOWN)
        assert await at.create() == POD
        assert at.known == (True, "u1")
        assert at.told.warnings == []


async def test_quota_after_a_broken_create_that_made_nothing(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(hang_up, FULL, MADE)
        at.shows(GONE)
        assert await at.create() == POD
        assert (at.asked("POST"), at.looked) == (3, 1)


IN_TROUBLE = status(500, "Internal error occurred: etcdserver: leader changed", "InternalError")
BUSY = status(429, "too many requests", "TooManyRequests")


async def test_server_in_trouble_is_tried_again(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(IN_TROUBLE, IN_TROUBLE, BUSY, BUSY, MADE)  # each try is two requests
        assert await at.create() == POD
        assert at.known == (True, "u1")
        *waited, made = at.notes.columns
        assert made == NOTED
        assert [columns["status"] for columns in waited] == ["pending", "pending"]
        assert "leader changed" in waited[0]["job_explanation"]
        (warning,) = at.told.warnings
        assert warning.startswith("the pod can't be made now, which is tried for 3600 s: ")
        assert "leader changed" in warning


async def test_server_in_trouble_is_not_tried_for_ever(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority, outage=0.1) as at:
        at.answers(IN_TROUBLE)
        with pytest.raises(Unreachable) as caught:
            await at.create()
        assert caught.value.failure.reason == "APIServerError"
        assert "longer than cluster_outage_timeout (0 s)" in caught.value.failure.message


@pytest.mark.parametrize(
    ("answer", "may_exist"),
    [
        pytest.param(IN_TROUBLE, True, id="500"),
        pytest.param(BUSY, False, id="429"),
        pytest.param(
            status(500, 'Internal error occurred: failed calling webhook "a": refused', "InternalError"),
            False,
            id="webhook",
        ),
    ],
)
async def test_pod_of_a_server_in_trouble(
    server: ApiServer, authority: Authority, answer: Reply, may_exist: bool
) -> None:
    async with scene(server, authority, outage=0) as at:
        at.answers(answer)
        with pytest.raises(Unreachable) as caught:
            await at.create()
        assert caught.value.failure.reason == "APIServerError"
        assert at.known == (may_exist, None)


async def test_server_that_goes_away_while_there_is_no_room(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(FULL, hang_up, hang_up, MADE)
        assert await at.create() == POD
        assert len(at.told.warnings) == 2


async def test_pod_of_an_unanswered_create_may_be_what_fills_the_quota_later(
    server: ApiServer, authority: Authority
) -> None:
    async with scene(server, authority) as at:
        at.answers(IN_TROUBLE, IN_TROUBLE, FULL)
        at.shows(SHOWN)
        assert await at.create() == POD
        assert at.known == (True, "u1")


async def test_warm_pods_that_wait_for_jobs_make_room(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.answers(FULL, MADE)
        idle = {"metadata": {"name": "w", "uid": "u2", "resourceVersion": "7"}}
        server.on("GET", PODS, document({"items": [idle]}))
        server.on("DELETE", f"{PODS}/w", document({}))
        assert await at.create() == POD
        (deleted,) = [seen.body for seen in server.seen if seen.method == "DELETE"]
        assert deleted["preconditions"] == {"uid": "u2", "resourceVersion": "7"}
        assert at.creation.met_quota
        assert at.notes.columns == [NOTED]
        assert at.told.warnings == []


async def test_room_that_was_made_is_used_at_once(
    server: ApiServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after long waits: else somebody else takes it, who fills a pool of warm pods for example."""
    monkeypatch.setattr(creation, "BACKOFF", (0.01, 0.01, 2.0 * DEADLINE))
    async with scene(server, authority) as at, deadline(DEADLINE):
        at.answers(FULL, FULL, FULL, MADE)
        idle = {"metadata": {"name": "w", "uid": "u2", "resourceVersion": "7"}}
        none = document({"items": []})
        server.on("GET", PODS, none, none, document({"items": [idle]}))
        server.on("DELETE", f"{PODS}/w", document({}))
        assert await at.create() == POD


async def test_server_that_is_not_there(authority: Authority) -> None:
    nowhere = ApiServer(None)
    nowhere.port = 1
    connection = Connection(host="https://127.0.0.1:1", source="the test", token=SENT, ca_text=authority.pem)
    async with ClusterClient(connection, environ={}) as client:
        at = Scene(nowhere, client, CreationLimits(3600, 3600))
        with pytest.raises(Unreachable):
            await at.create()
        assert at.known == (False, None)


# --- stops -----


async def test_stop_before_the_create(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.cancel()
        with pytest.raises(Failure, match="Nobody wants it"):
            await at.create()
        assert at.known == (False, None)
        assert server.seen == []


async def test_stop_while_the_quota_is_waited_for(
    server: ApiServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "BACKOFF", (3600.0,))
    async with scene(server, authority) as at:
        at.answers(FULL)
        task = asyncio.create_task(at.create())
        while not at.notes.columns:
            await asyncio.sleep(0.01)
        at.cancel()
        with pytest.raises(Failure, match="Nobody wants it"):
            await task
        assert at.known == (False, None)


@pytest.mark.parametrize(
    ("late", "known"),
    [
        pytest.param(MADE, (True, "u1"), id="made"),
        pytest.param(FORBIDDEN, (False, None), id="refused"),
        pytest.param(FULL, (False, None), id="quota"),
    ],
)
async def test_stop_waits_for_the_answer_to_a_create(
    server: ApiServer, authority: Authority, late: Reply, known: tuple[bool, str | None]
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        asked.set()
        await answer.wait()
        return await late(request)

    async with scene(server, authority) as at:
        at.answers(slow)
        task = asyncio.create_task(at.create())
        await asyncio.wait_for(asked.wait(), 30)
        at.cancel()
        await asyncio.sleep(0.1)
        assert not task.done()
        answer.set()
        with pytest.raises(Failure, match="Nobody wants it"):
            await task
        assert at.known == known
        assert at.asked("POST") == 1
        if known[1] is not None:
            assert at.notes.columns == [NOTED]


async def test_stop_does_not_wait_for_ever_for_an_answer(
    server: ApiServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "ANSWER_LIMIT", 0.1)
    asked = asyncio.Event()

    async def never(_request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with scene(server, authority) as at:
        at.answers(never)
        task = asyncio.create_task(at.create())
        await asyncio.wait_for(asked.wait(), 30)
        at.cancel()
        with pytest.raises(Failure, match="Nobody wants it"):
            await task
        assert at.known == (True, None)


# --- image pull secrets -----

SECRET_MADE = document({"kind": "Secret", "metadata": {"uid": "s1"}}, 201)
NO_ROOM = status(403, 'secrets "a" is forbidden: exceeded quota: small', "Forbidden", {"name": "a"})
NO_SECRETS = status(403, 'User "bob" cannot create resource "secrets" in the namespace "jobs"', "Forbidden")


async def test_secret_is_there_before_the_pod(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        secret = at.add_secret(SECRET_MADE)
        at.answers(FULL, MADE)
        assert await at.create() == POD
        assert at.made() == ["secrets", "pods", "pods"]
        assert (secret.may_exist, at.known) == (True, (True, "u1"))


async def test_refused_secret_leaves_nothing(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        secret = at.add_secret(NO_SECRETS)
        at.answers(MADE)
        with pytest.raises(Failure, match="may not create secrets"):
            await at.create()
        assert (at.made(), secret.may_exist, at.known) == (["secrets"], False, (False, None))


async def test_refused_pod_leaves_a_secret_to_remove(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        secret = at.add_secret(SECRET_MADE)
        at.answers(FORBIDDEN)
        with pytest.raises(Failure, match="may not create pods"):
            await at.create()
        assert (secret.may_exist, at.known) == (True, (False, None))


async def test_quota_for_secrets_is_waited_for(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.add_secret(NO_ROOM, NO_ROOM, SECRET_MADE)
        at.answers(MADE)
        assert await at.create() == POD
        assert at.made() == ["secrets", "secrets", "secrets", "pods"]
        (warning,) = at.told.warnings
        assert warning.startswith("waiting for quota: The namespace's quota leaves no room for the secret")


async def test_quota_for_secrets_is_not_waited_for_for_ever(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority, patience=0.1) as at:
        secret = at.add_secret(NO_ROOM)
        with pytest.raises(Failure, match=r"It lasted longer than pod_pending_timeout \(0 s\)") as caught:
            await at.create()
        assert (caught.value.reason, secret.may_exist) == ("QuotaExceeded", False)


async def test_stop_while_the_secret_is_made(server: ApiServer, authority: Authority) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        asked.set()
        await answer.wait()
        return await SECRET_MADE(request)

    async with scene(server, authority) as at:
        secret = at.add_secret(slow)
        task = asyncio.create_task(at.create())
        await asyncio.wait_for(asked.wait(), 30)
        at.cancel()
        answer.set()
        with pytest.raises(Failure, match="Nobody wants it"):
            await task
        assert (at.made(), secret.may_exist, at.known) == (["secrets"], True, (False, None))


async def test_server_that_is_not_there_for_the_secret(server: ApiServer, authority: Authority) -> None:
    connection = Connection(host="https://127.0.0.1:1", source="the test", token=SENT, ca_text=authority.pem)
    async with ClusterClient(connection, environ={}) as client:
        at = Scene(server, client, CreationLimits(3600, 3600))
        secret = at.add_secret(SECRET_MADE)
        with pytest.raises(Unreachable):
            await at.create()
        assert (secret.may_exist, at.known) == (False, (False, None))


@pytest.mark.parametrize("known", [{}, {"again": True}, {"reached": True}], ids=str)
async def test_server_that_is_away_is_waited_for_where_it_was_there_before(
    server: ApiServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, known: dict[str, bool]
) -> None:
    """Jobs of one process start one after the other: a short outage is not the end of all that wait."""
    monkeypatch.setattr(creation, "BACKOFF", (0.01,))
    async with scene(server, authority) as at:
        at.shows(GONE)
        at.answers(hang_up, hang_up, hang_up, hang_up, MADE)
        if known:
            assert (await at.create(**known))["metadata"]["uid"] == "u1"
            assert [columns["status"] for columns in at.notes.columns][-1] == "waiting"
        else:
            with pytest.raises(Unreachable):
                await at.create()


# --- the pod of an earlier owner -----

AWAY = status(503, "the server is away", "ServiceUnavailable")
OWN_SECRET = document({"kind": "Secret", "metadata": {"uid": "s1", "labels": {"jobpods.job-uuid": "u"}}})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "BACKOFF", (0.01,))


async def test_pod_that_an_earlier_owner_has_made_is_used(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.shows(SHOWN)
        assert (await at.create(again=True))["metadata"]["uid"] == "u1"
        assert (at.made(), at.notes.columns) == ([], [NOTED])
        assert (at.creation.uid, at.creation.may_exist) == ("u1", True)


async def test_pod_that_an_earlier_owner_has_not_made_is_made(
    server: ApiServer, authority: Authority
) -> None:
    async with scene(server, authority) as at:
        at.shows(GONE)
        at.answers(MADE)
        await at.create(again=True)
        assert (at.made(), at.notes.columns) == (["pods"], [NOTED])


@pytest.mark.parametrize(("shown", "exists"), [(SHOWN, True), (GONE, False), (AWAY, True)])
async def test_cancel_knows_of_the_pod_that_an_earlier_owner_may_have_made(
    server: ApiServer, authority: Authority, shown: Reply, exists: bool
) -> None:
    async with scene(server, authority) as at:
        at.shows(shown)
        at.cancel()
        with pytest.raises(Failure) as stopped:
            await at.create(again=True)
        assert stopped.value.reason == "Canceled"
        assert (at.made(), at.creation.may_exist) == ([], exists)


async def test_cancel_knows_of_the_secret_that_an_earlier_owner_may_have_made(
    server: ApiServer, authority: Authority
) -> None:
    async with scene(server, authority) as at:
        secret = at.add_secret()
        server.on("GET", f"{SECRETS}/{PodIdentity(1, 'u', 1, 'here').pull_secret_name}", OWN_SECRET)
        at.shows(GONE)
        at.cancel()
        with pytest.raises(Failure):
            await at.create(again=True)
        assert (at.creation.may_exist, secret.may_exist) == (False, True)


@pytest.mark.usefixtures("impatient")
async def test_known_pod_is_found_with_its_secret(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        secret = at.add_secret()
        server.on("GET", f"{SECRETS}/{PodIdentity(1, 'u', 1, 'here').pull_secret_name}", OWN_SECRET)
        at.shows(AWAY, AWAY, SHOWN)
        assert (await at.find())["metadata"]["uid"] == "u1"
        assert (at.creation.may_exist, secret.may_exist, at.notes.columns) == (True, True, [])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("uid", ["u1", "u2"], ids=["gone", "a namesake"])
async def test_known_pod_that_is_gone(server: ApiServer, authority: Authority, uid: str) -> None:
    async with scene(server, authority) as at:
        at.shows(GONE if uid == "u1" else SHOWN)
        with pytest.raises(Failure, match="job-1 is gone, too") as lost:
            await at.find(uid)
        assert (lost.value.reason, at.creation.may_exist) == ("ControllerLost", False)


@pytest.mark.usefixtures("impatient")
async def test_known_pod_can_t_be_looked_for(server: ApiServer, authority: Authority) -> None:
    async with scene(server, authority) as at:
        at.shows(AWAY)
        with pytest.raises(Failure, match="This lasted 0 s"):
            await at.find(patience=0)
        assert at.creation.may_exist
        at.cancel()
        with pytest.raises(Failure) as stopped:
            await at.find()
        assert (stopped.value.reason, at.creation.may_exist) == ("Canceled", True)
