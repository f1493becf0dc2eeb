# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that tests a connection: which one the options name, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import verb
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    VERSION,
    ApiServer,
    document,
    status,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class User:
    """Somebody who calls the module.

    Attributes:
        server: the cluster's API server, which allows everything.
        feed: what the last call told.
        inputs: of a credential for the cluster.
    """

    def __init__(self, server: ApiServer, authority: Authority, folder: Path) -> None:
        self.server = server
        self.feed = KeptFeed()
        self.inputs = {"host": server.url, "bearer_token": SENT, "ssl_ca_cert": authority.pem}
        self._folder = folder
        for namespace in ("default", "jobs", "other"):
            server.on("GET", f"/api/v1/namespaces/{namespace}", document({"status": {"phase": "Active"}}))
        server.on("GET", "/version", document(VERSION))
        server.on("POST", WHOAMI, document({"status": {"userInfo": {"username": "runner"}}}, 201))
        server.on("POST", REVIEWS, document({"status": {"allowed": True}}, 201))

    @property
    def connection(self) -> dict[str, Any]:
        return {
            "host": self.inputs["host"],
            "api_key": self.inputs["bearer_token"],
            "ssl_ca_cert": self.inputs["ssl_ca_cert"],
        }

    def store(self, kind: str, name: str, **given: Any) -> int:
        store = JobStore.open(store_options({"data_dir": str(self._folder / "store")}, {}, self._folder))
        try:
            number = store.objects.save(kind, Wanted(name, given)).id
        finally:
            store.close()
        assert number is not None
        return number

    async def call(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        self.feed = KeptFeed()
        request = request_for("credential_test", self._folder, check=check, **options)
        result = await verb("credential_test")(request, self.feed, None)  # type: ignore[arg-type]
        assert result is not None
        return result


@pytest_asyncio.fixture
async def user(tmp_path: Path) -> AsyncIterator[User]:
    authority = Authority()
    async with ApiServer(server_context(tmp_path / "server", *authority.issue("127.0.0.1"))) as server:
        yield User(server, authority, tmp_path)


def asked_namespaces(server: ApiServer) -> set[str]:
    reviews = (seen.body for seen in server.seen if seen.path == REVIEWS)
    return {body["spec"]["resourceAttributes"]["namespace"] for body in reviews}


@pytest.mark.parametrize("check", [False, True])
async def test_all_is_well(user: User, check: bool) -> None:
    result = await user.call(check=check, namespace="jobs", **user.connection)
    assert (result["changed"], result["failed"]) == (False, False)
    assert all(each["ok"] for each in result["checks"])
    assert set(result["checks"][0]) == {"check", "ok", "required", "message", "hint"}
    assert (result["version"], result["user"], result["host"]) == ("v1.34.4", "runner", user.server.url)
    assert (result["namespace"], result["token_expires"]) == ("jobs", None)
    assert result["msg"] == (
        f'{user.server.url} (Kubernetes v1.34.4) lets jobs run in the namespace "jobs" as runner.'
    )
    assert SENT not in str(result)


async def test_each_check_is_told_in_a_line(user: User) -> None:
    result = await user.call(**user.connection)
    steps = user.feed.steps()
    assert len(steps) == len(result["checks"])
    assert steps[0] == f"address: ok: {user.server.url} is reached."
    first = user.feed.steps(verbosity=1)[0]
    assert first.startswith("connection from ")
    assert user.server.url in first


async def test_what_is_missing_fails(user: User) -> None:
    async def deny_attach(request: web.Request) -> web.StreamResponse:
        asked = (await request.json())["spec"]["resourceAttributes"]
        return web.json_response({"status": {"allowed": asked["subresource"] != "attach"}}, status=201)

    user.server.on("POST", REVIEWS, deny_attach)
    result = await user.call(**user.connection)
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["msg"].startswith("get pods/attach: runner may not get pods/attach")
    assert 'Add this rule to a Role in the namespace "default"' in result["msg"]
    assert result["msg"].endswith("Also failed: create pods/attach.")
    failed = [step for step in user.feed.steps() if "FAILED" in step]
    assert len(failed) == 2
    assert "verbs: [get]" in failed[0]


async def test_what_is_optional_does_not_fail(user: User) -> None:
    async def deny_secrets(request: web.Request) -> web.StreamResponse:
        asked = (await request.json())["spec"]["resourceAttributes"]
        return web.json_response({"status": {"allowed": asked["resource"] != "secrets"}}, status=201)

    user.server.on("POST", REVIEWS, deny_secrets)
    result = await user.call(**user.connection)
    assert not result["failed"]
    assert [each["check"] for each in result["checks"] if not each["ok"]] == [
        "get secrets",
        "create secrets",
        "delete secrets",
    ]


async def test_what_was_not_tried_is_only_told_to_those_who_ask(user: User) -> None:
    user.server.on("POST", WHOAMI, status(401, "Unauthorized", "Unauthorized"))
    result = await user.call(**user.connection)
    assert result["failed"]
    assert result["msg"].startswith("token: ")
    assert [step.partition(":")[0] for step in user.feed.steps()] == ["address", "tls", "kubernetes", "token"]
    assert len(user.feed.steps(verbosity=1)) == 1 + len(result["checks"])


# -- what is tested --


async def test_a_stored_credential_by_name_or_id(user: User) -> None:
    number = user.store("credential", "prod", credential_type="kubernetes_bearer_token", inputs=user.inputs)
    assert not (await user.call(credential="prod"))["failed"]
    assert asked_namespaces(user.server) == {"default"}
    assert not (await user.call(credential=str(number), namespace="other"))["failed"]
    assert asked_namespaces(user.server) == {"default", "other"}
    assert user.server.seen[-1].authorization == f"Bearer {SENT}"


async def test_a_credential_of_an_organization(user: User) -> None:
    kind = {"credential_type": "kubernetes_bearer_token"}
    for name, host in (("A", "https://a.invalid"), ("B", user.server.url)):
        user.store("organization", name)
        user.store("credential", "prod", organization=name, inputs={**user.inputs, "host": host}, **kind)
    with pytest.raises(Failure, match="There are 2"):
        await user.call(credential="prod")
    assert (await user.call(credential="prod", organization="B"))["host"] == user.server.url


async def test_a_stored_group_with_a_credential(user: User) -> None:
    user.store("credential", "prod", credential_type="kubernetes_bearer_token", inputs=user.inputs)
    user.store("container_group", "jobs", credential="prod", namespace="jobs")
    result = await user.call(container_group="jobs")
    assert (result["failed"], result["namespace"]) == (False, "jobs")
    assert asked_namespaces(user.server) == {"jobs"}
    assert (await user.call(container_group="jobs", namespace="other"))["namespace"] == "other"


async def test_a_stored_group_with_its_own_connection(user: User) -> None:
    override = {"metadata": {"namespace": "jobs"}}
    user.store("container_group", "own", pod_spec_override=override, **user.connection)
    result = await user.call(container_group="own")
    assert (result["failed"], result["namespace"], result["host"]) == (False, "jobs", user.server.url)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(
            {"credential": "a", "container_group": "b"}, "credential and container_group exclude", id="both"
        ),
        pytest.param({"credential": "a", "host": "https://x"}, "credential and host exclude", id="host"),
        pytest.param(
            {"container_group": "a", "verify_ssl": False},
            "container_group and verify_ssl exclude",
            id="group",
        ),
        pytest.param({"organization": "a"}, "organization is given without credential", id="organization"),
        pytest.param(
            {"organization": "a", "container_group": "b"}, "without credential", id="organization of a group"
        ),
        pytest.param({"credential": "none"}, "credential: there is no credential 'none'", id="no credential"),
        pytest.param({"container_group": "none"}, "there is no container group 'none'", id="no group"),
        pytest.param({"container_group": "controlplane"}, "reaches no cluster", id="controlplane"),
        pytest.param(
            {"namespace": "My_Jobs", "host": "https://x", "api_key": "x"}, "namespace is", id="name"
        ),
        pytest.param({"host": "https://x"}, "host is given without api_key", id="no token"),
        pytest.param({}, "There is no connection to a cluster", id="nothing"),
    ],
)
async def test_what_names_no_connection(user: User, options: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure, match=words) as caught:
        await user.call(**options)
    assert caught.value.reason == "InvalidConfiguration"
    assert user.server.seen == []


async def test_a_credential_of_another_type(user: User) -> None:
    user.store("credential", "web", credential_type="machine", inputs={"username": "a"})
    with pytest.raises(Failure, match="'web' is of type machine; it must be kubernetes_bearer_token"):
        await user.call(credential="web")
