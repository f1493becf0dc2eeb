# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod gets its grace, is deleted whatever comes between, and counts as gone only when it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import removal
from ansible_collections.jobpods.controller.plugins.module_utils.job.removal import remove_pod, remove_secret
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    Reply,
    document,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline

POD = "/api/v1/namespaces/jobs/pods/job-1"
GONE = status(404, "pods not found", "NotFound")
AWAY = status(503, "the server is away", "ServiceUnavailable")
FORBIDDEN = status(403, "pods is forbidden: no", "Forbidden")
LONG = 3600.0


class Pod:
    """A pod of an API server, and what was asked of it.

    Attributes:
        exists: it is there.
        looks: so many looks see it after a deletion with grace.
        uid: its UID.
        stays: a finalizer keeps it.
        graces: of each deletion that was taken.
        answers: what deletions are answered instead, one after the other.
        told: what stood in the way.
    """

    def __init__(self, server: ApiServer, client: ClusterClient) -> None:
        self.exists = True
        self.looks = 2
        self.uid = "u1"
        self.stays = False
        self.graces: list[int] = []
        self.answers: list[Reply] = []
        self.told: list[str] = []
        self.server = server
        self._client = client
        server.on("DELETE", POD, self._delete)
        server.on("GET", POD, self._get)

    async def remove(self, grace: int, *, uid: str | None = "u1", limit: float = LONG) -> bool:
        async with deadline(30):
            return await remove_pod(
                self._client, "jobs", "job-1", uid, grace=grace, limit=limit, trouble=self.told.append
            )

    def asked(self, method: str) -> int:
        return sum(seen.method == method for seen in self.server.seen)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        if self.answers:
            return await self.answers.pop(0)(request)
        if not self.exists:
            return await GONE(request)
        self.graces.append((await request.json())["gracePeriodSeconds"])
        self.exists = self.graces[-1] != 0 or self.stays
        return web.json_response(self._document())

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if self.graces and not self.stays:
            self.looks -= 1
            self.exists = self.exists and self.looks >= 0
        return web.json_response(self._document()) if self.exists else await GONE(request)

    def _document(self) -> dict[str, Any]:
        return {"kind": "Pod", "metadata": {"name": "job-1", "uid": self.uid}}


@pytest.fixture
async def pod(authority: Authority, tmp_path: Path) -> AsyncIterator[Pod]:
    context = server_context(tmp_path / "server", *authority.issue("127.0.0.1"))
    async with ApiServer(context) as server:
        connection = Connection(host=server.url, source="the test", token=SENT, ca_text=authority.pem)
        async with ClusterClient(connection, environ={}, retry=RetryPolicy(attempts=1)) as client:
            yield Pod(server, client)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "BACKOFF", (0.02,))
    monkeypatch.setattr(removal, "LOOK_INTERVAL", 0.02)
    monkeypatch.setattr(removal, "LONGEST_LOOK_INTERVAL", 0.02)


async def test_deletion_with_grace_is_asked_for_once_and_looked_after(pod: Pod) -> None:
    assert await pod.remove(5)
    assert pod.graces == [5]
    assert (pod.asked("DELETE"), pod.asked("GET")) == (1, 3)
    assert pod.told == []


async def test_deletion_without_grace_is_seen_at_once(pod: Pod) -> None:
    assert await pod.remove(0)
    assert pod.graces == [0]
    assert (pod.asked("DELETE"), pod.asked("GET")) == (1, 1)


async def test_pod_that_is_gone_already(pod: Pod) -> None:
    pod.exists = False
    assert await pod.remove(5)
    assert (pod.asked("DELETE"), pod.asked("GET")) == (1, 0)


async def test_namesake_is_left_alone(pod: Pod) -> None:
    pod.looks = 1000

    async def other(_request: web.Request) -> web.StreamResponse:
        pod.uid = "u2"
        return web.json_response(pod._document())

    pod.server.on("GET", POD, pod._get, other)
    assert await pod.remove(5)
    assert pod.exists


async def test_pod_that_outlasts_its_grace_is_deleted_by_force(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "FORCE_MARGIN", -0.8)
    pod.looks = 1000
    started = time.monotonic()
    assert await pod.remove(1)
    assert pod.graces == [1, 0]
    assert time.monotonic() - started >= 0.2


async def test_grace_begins_when_the_deletion_is_taken(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "FORCE_MARGIN", -0.5)
    pod.answers = [AWAY] * 40
    pod.looks = 0
    assert await pod.remove(1)
    assert pod.graces == [1]
    (told,) = pod.told
    assert told.startswith("pod job-1 can't be deleted yet: ")
    assert "the server is away" in told


async def test_pod_that_a_finalizer_keeps_is_not_asked_again_and_again(pod: Pod) -> None:
    pod.stays = True
    assert not await pod.remove(0, limit=0.3)
    assert pod.graces == [0]
    assert pod.asked("GET") > 2


async def test_looks_get_rarer(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "LONGEST_LOOK_INTERVAL", 10.0)
    pod.stays = True
    assert not await pod.remove(0, limit=1.0)
    assert pod.asked("GET") < 1.0 / removal.LOOK_INTERVAL * 0.7


async def test_pod_whose_create_got_no_answer_may_appear_later(pod: Pod) -> None:
    pod.exists = False
    task = asyncio.create_task(pod.remove(0, uid=None))
    while pod.asked("DELETE") < 3:
        await asyncio.sleep(0.01)
        assert not task.done()
    pod.exists = True
    assert await task
    assert (pod.graces, pod.exists) == ([0], False)


async def test_pod_whose_create_got_no_answer_may_never_appear(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "APPEARANCE_LIMIT", 0.2)
    pod.exists = False
    started = time.monotonic()
    assert await pod.remove(0, uid=None)
    assert time.monotonic() - started >= 0.2
    assert pod.asked("DELETE") > 2


async def test_server_that_refuses_for_a_while_after_its_start(pod: Pod) -> None:
    pod.answers = [FORBIDDEN] * 5
    assert await pod.remove(0)
    assert pod.graces == [0]
    (told,) = pod.told
    assert "may not delete pods" in told


async def test_server_that_refuses_for_good(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "REFUSAL_LIMIT", 0.2)
    pod.server.on("DELETE", POD, FORBIDDEN)
    with pytest.raises(Failure, match="may not delete pods") as caught:
        await pod.remove(0)
    assert caught.value.reason == "Forbidden"
    assert pod.asked("DELETE") > 2
    assert pod.exists


async def test_limit_of_all(pod: Pod) -> None:
    pod.server.on("DELETE", POD, AWAY)
    assert not await pod.remove(0, limit=0.2)
    assert pod.exists


# --- secrets -----

BESIDE = "/api/v1/namespaces/jobs/secrets/job-1-pull"
TAKEN = document({"kind": "Status", "status": "Success"})


async def remove(pod: Pod, *replies: Reply, uid: str | None = "u1", limit: float = LONG) -> bool:
    """Removes a secret whose deletions are answered so."""
    pod.server.on("DELETE", BESIDE, *replies)
    async with deadline(30):
        return await remove_secret(
            pod._client, "jobs", "job-1-pull", uid, limit=limit, trouble=pod.told.append
        )


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param((TAKEN,), id="there"),
        pytest.param((GONE,), id="gone already"),
    ],
)
async def test_secret_is_asked_for_once(pod: Pod, replies: tuple[Reply, ...]) -> None:
    assert await remove(pod, *replies)
    assert (pod.asked("DELETE"), pod.asked("GET"), pod.told) == (1, 0, [])


async def test_secret_is_deleted_as_soon_as_the_server_is_back(pod: Pod) -> None:
    assert await remove(pod, AWAY, AWAY, FORBIDDEN, TAKEN)
    assert pod.asked("DELETE") == 4
    (told,) = pod.told
    assert told.startswith("secret job-1-pull can't be deleted yet: ")


async def test_secret_whose_create_got_no_answer_may_appear_later(pod: Pod) -> None:
    assert await remove(pod, GONE, GONE, TAKEN, uid=None)
    assert pod.asked("DELETE") == 3


async def test_secret_whose_create_got_no_answer_may_never_appear(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "APPEARANCE_LIMIT", 0.2)
    assert await remove(pod, GONE, uid=None)
    assert pod.asked("DELETE") > 2


async def test_limit_of_a_secret_s_deletion(pod: Pod) -> None:
    assert not await remove(pod, AWAY, limit=0.2)
