# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull secret is made once, whoever has to remove it knows whether there is one, and nobody hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import removal
from ansible_collections.jobpods.controller.plugins.module_utils.job.pull_secret import PullSecret
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

IDENTITY = PodIdentity(1, "u", 1, "here")
NAME = f"{IDENTITY.pod_name}-pull"
SECRETS = "/api/v1/namespaces/jobs/secrets"
REGISTRY = Registry("quay.io", "me", "s3cret")
MADE = document({"kind": "Secret", "metadata": {"uid": "s2"}}, 201)
EXISTS = status(409, f'secrets "{NAME}" already exists', "AlreadyExists")
FORBIDDEN = status(
    403,
    'secrets is forbidden: User "bob" cannot create resource "secrets" in API group "" in the namespace'
    ' "jobs"',
    "Forbidden",
)
GONE = status(404, "secrets not found", "NotFound")
TAKEN = document({"kind": "Status", "status": "Success"})


class Scene:
    """A secret, its cluster, and whom it tells."""

    def __init__(self, server: ApiServer, client: ClusterClient) -> None:
        self.server = server
        self.told = Told()
        self.secret = PullSecret(client, IDENTITY, "jobs", REGISTRY, self.told)

    def answers(self, method: str, *replies: Reply) -> None:
        self.server.on(method, SECRETS if method == "POST" else f"{SECRETS}/{NAME}", *replies)

    async def create(self) -> None:
        async with deadline(30):
            await self.secret.create()

    async def refusal(self) -> Failure:
        try:
            await self.create()
        except Unreachable as trouble:
            return trouble.failure
        except Failure as failure:
            return failure
        raise AssertionError("the secret was made")

    @property
    def methods(self) -> list[str]:
        return [seen.method for seen in self.server.seen]


@pytest.fixture
async def at(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(removal, "BACKOFF", (0.02,))
    monkeypatch.setattr(removal, "LOOK_INTERVAL", 0.02)
    context = server_context(tmp_path / "server", *authority.issue("127.0.0.1"))
    async with ApiServer(context) as server:
        connection = Connection(host=server.url, source="the test", token=SENT, ca_text=authority.pem)
        retry = RetryPolicy(attempts=2, first_delay=0.001)
        async with ClusterClient(connection, environ={}, retry=retry) as client:
            yield Scene(server, client)


def existing(job_uuid: str) -> Reply:
    """A secret of the name, of some job."""
    labels = {"jobpods.job-uuid": job_uuid}
    return document({"kind": "Secret", "metadata": {"uid": "s1", "labels": labels}})


async def test_secret_is_made_once_and_removed(at: Scene) -> None:
    at.answers("POST", MADE)
    at.answers("DELETE", TAKEN)
    known = [at.secret.may_exist]
    await at.create()
    await at.create()
    known.append(at.secret.may_exist)
    assert await at.secret.remove(60)
    known.append(at.secret.may_exist)
    assert known == [False, True, False]
    assert at.methods == ["POST", "DELETE"]
    made, deleted = (seen.body for seen in at.server.seen)
    assert made["metadata"] == {"name": NAME, "namespace": "jobs", "labels": IDENTITY.labels}
    assert deleted["preconditions"] == {"uid": "s2"}
    assert (at.told.steps, at.told.warnings) == ([f"image pull secret {NAME} created"], [])


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param((EXISTS, MADE), id="409"),
        pytest.param((hang_up, EXISTS, MADE), id="reset"),
    ],
)
async def test_secret_of_an_earlier_try_is_replaced(at: Scene, replies: tuple[Reply, ...]) -> None:
    at.answers("POST", *replies)
    at.answers("GET", existing("u"))
    at.answers("DELETE", TAKEN)
    await at.create()
    assert at.methods[-3:] == ["GET", "DELETE", "POST"]
    assert at.server.seen[-2].body["preconditions"] == {"uid": "s1"}
    assert at.secret.may_exist


async def test_secret_that_existed_a_moment_ago(at: Scene) -> None:
    at.answers("POST", EXISTS, MADE)
    at.answers("GET", GONE)
    await at.create()
    assert at.methods == ["POST", "GET", "POST"]


async def test_secret_that_exists_and_does_not(at: Scene) -> None:
    at.answers("POST", EXISTS)
    at.answers("GET", GONE)
    failure = await at.refusal()
    assert failure.reason == "APIServerError"
    assert NAME in failure.message


async def test_secret_of_somebody_else_is_left_alone(at: Scene) -> None:
    at.answers("POST", EXISTS)
    at.answers("GET", existing("another"))
    failure = await at.refusal()
    assert (failure.reason, at.secret.may_exist) == ("InvalidConfiguration", False)
    assert NAME in failure.message
    assert at.methods == ["POST", "GET"]


async def test_secrets_that_may_not_be_made(at: Scene) -> None:
    at.answers("POST", FORBIDDEN)
    failure = await at.refusal()
    assert (failure.reason, failure.http_status, at.secret.may_exist) == ("Forbidden", 403, False)
    assert failure.message.startswith('The user "bob" may not create secrets in the namespace "jobs"')
    assert '{apiGroups: [""], resources: [secrets], verbs: [get, create, delete]}' in failure.hint
    assert "imagePullSecrets of pod_spec_override" in failure.hint


async def test_policy_that_repeats_what_it_refuses(at: Scene) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        body = await request.text()
        words = f'admission webhook "w.test" denied the request: no s3cret: {body}'
        return await status(400, words, "BadRequest")(request)

    at.answers("POST", refuse)
    failure = await at.refusal()
    assert failure.reason == "AdmissionDenied"
    assert failure.message.startswith("The cluster refused the secret: ")
    assert "denied the request: no ***" in failure.message
    for words in (failure.message, failure.traceback):
        assert "s3cret" not in words
        assert REGISTRY.config not in words
    assert "imagePullSecrets of pod_spec_override" in failure.hint


@pytest.mark.parametrize(
    "broken", [pytest.param(hang_up, id="reset"), pytest.param(status(504, "slow", "Timeout"), id="504")]
)
async def test_secret_whose_create_got_no_answer(at: Scene, broken: Reply) -> None:
    at.answers("POST", broken)
    at.answers("DELETE", GONE, GONE, TAKEN)
    await at.refusal()
    known = [at.secret.may_exist]
    assert await at.secret.remove(60)
    known.append(at.secret.may_exist)
    assert (at.methods.count("DELETE"), known) == (3, [True, False])


async def test_secret_of_an_earlier_try_is_not_forgotten_where_a_later_one_is_refused(at: Scene) -> None:
    at.answers("POST", hang_up, hang_up, FORBIDDEN)
    await at.refusal()
    assert (await at.refusal()).reason == "Forbidden"
    assert at.secret.may_exist


async def test_secret_that_may_not_be_deleted_is_told(at: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "REFUSAL_LIMIT", 0.1)
    at.answers("POST", MADE)
    at.answers("DELETE", FORBIDDEN)
    await at.create()
    assert await at.secret.remove(60)
    first, last = at.told.warnings
    assert first.startswith(f"secret {NAME} can't be deleted yet: ")
    assert last.startswith(f"secret {NAME} could not be deleted, remove it by hand: ")


async def test_secret_that_can_t_be_deleted_in_time_is_not_forgotten(at: Scene) -> None:
    at.answers("POST", MADE)
    at.answers("DELETE", status(503, "away", "ServiceUnavailable"))
    await at.create()
    assert not await at.secret.remove(0.1)
    assert at.secret.may_exist


# --- the secret of an earlier owner -----


async def test_secret_of_an_earlier_owner_is_found_and_removed(at: Scene) -> None:
    at.answers("GET", existing("u"))
    at.answers("DELETE", TAKEN)
    async with deadline(30):
        await at.secret.find()
        assert at.secret.may_exist
        await at.secret.create()  # it is there
        assert await at.secret.remove(60)
    assert at.methods == ["GET", "DELETE"]
    assert not at.secret.may_exist


@pytest.mark.parametrize("reply", [GONE, existing("another")], ids=["none", "somebody else's"])
async def test_secret_that_no_earlier_owner_has_made(at: Scene, reply: Reply) -> None:
    at.answers("GET", reply)
    async with deadline(30):
        await at.secret.find()
    assert not at.secret.may_exist


async def test_secret_that_may_not_be_looked_for(at: Scene) -> None:
    at.answers("GET", FORBIDDEN)
    async with deadline(30):
        with pytest.raises(Failure) as refused:
            await at.secret.find()
    assert (refused.value.reason, at.secret.may_exist) == ("Forbidden", False)
