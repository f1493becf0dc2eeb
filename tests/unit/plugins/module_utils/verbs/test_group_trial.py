# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container group is tried on its cluster before it is saved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import ExecutionEnvironment
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.container_group_check import (
    check_values,
    read_override,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_trial import Trial, dry_run
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import verb
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
    document,
    status,
    text,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)

EMPTY = {**KINDS["container_group"].settings, "credential": None, "execution_environment": None}
OVERRIDE = {"spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "worker", "image": "a"}]}}
PODS = "/api/v1/namespaces/jobs/pods"


@pytest_asyncio.fixture
async def server(tmp_path: Path, authority: Authority) -> AsyncIterator[ApiServer]:
    context = server_context(tmp_path / "server", *authority.issue("127.0.0.1"))
    async with ApiServer(context) as running:
        running.on("POST", PODS, document({"kind": "Pod"}, 201))
        yield running


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


# -- the dry run --


@pytest.fixture
def trial(server: ApiServer, authority: Authority, tmp_path: Path) -> Trial:
    values = check_values({**EMPTY, "namespace": "jobs", "pod_spec_override": OVERRIDE})
    inputs = {"host": server.url, "bearer_token": SENT, "ssl_ca_cert": authority.pem}
    return Trial(values, inputs, None, None, {}, tmp_path)


def with_override(trial: Trial, given: object) -> Trial:
    values = {**trial.values, "pod_spec_override": read_override(given)}
    return Trial(values, trial.credential_inputs, None, given, trial.environ, trial.home)


async def test_the_pod_is_tried_and_not_made(server: ApiServer, trial: Trial) -> None:
    assert await dry_run(trial) is None
    (seen,) = server.seen
    assert seen.query == {"dryRun": "All", "fieldValidation": "Strict"}
    assert seen.authorization == f"Bearer {SENT}"
    assert seen.body["metadata"]["namespace"] == "jobs"
    assert seen.body["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert seen.body["spec"]["containers"][0]["image"] == "a"


async def test_the_groups_image_is_tried(server: ApiServer, trial: Trial) -> None:
    environment = ExecutionEnvironment("quay.io/own:1", "always")
    await dry_run(Trial(trial.values, trial.credential_inputs, environment, None, {}, trial.home))
    container = server.seen[0].body["spec"]["containers"][0]
    assert (container["image"], container["imagePullPolicy"]) == ("quay.io/own:1", "Always")


INVALID = status(
    422,
    'Pod "x" is invalid: spec.containers[0].image: Invalid value: " a": must not have leading whitespace',
    "Invalid",
    {"causes": [{"field": "spec.containers[0].image", "message": "must not have leading whitespace"}]},
)
UNKNOWN = status(
    400,
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.contianers"',
    "BadRequest",
)


async def test_an_invalid_field_is_refused_with_its_line(server: ApiServer, trial: Trial) -> None:
    server.on("POST", PODS, INVALID)
    given = "spec:\n  containers:\n    - name: worker\n      image: ' a'\n"
    with pytest.raises(Failure) as caught:
        await dry_run(with_override(trial, given))
    assert (caught.value.reason, caught.value.http_status) == ("InvalidPodSpec", 422)
    assert caught.value.message.startswith("pod_spec_override: ")
    assert "must not have leading whitespace" in caught.value.message
    assert caught.value.message.endswith(" (spec.containers[0].image: line 4).")


async def test_an_unknown_field_is_refused_with_what_is_meant(server: ApiServer, trial: Trial) -> None:
    server.on("POST", PODS, UNKNOWN)
    with pytest.raises(Failure) as caught:
        await dry_run(with_override(trial, {"spec": {"contianers": []}}))
    assert caught.value.reason == "InvalidPodSpec"
    assert caught.value.message.endswith(" (spec.contianers: containers is likely meant).")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(status(401, "Unauthorized", "Unauthorized"), "401", id="401"),
        pytest.param(
            status(403, 'pods is forbidden: User "u" cannot create resource "pods"', "Forbidden"),
            "may not create pods",
            id="403",
        ),
        pytest.param(
            status(404, 'namespaces "jobs" not found', "NotFound", {"name": "jobs", "kind": "namespaces"}),
            "does not exist",
            id="no namespace",
        ),
        pytest.param(
            status(403, 'pods "x" is forbidden: exceeded quota: small', "Forbidden", {"name": "x"}),
            "quota",
            id="quota",
        ),
        pytest.param(
            status(400, 'admission webhook "w.test" denied the request: no', "BadRequest"),
            "denied the request: no",
            id="webhook",
        ),
        pytest.param(
            status(400, 'admission webhook "w.test" does not support dry run', "BadRequest"),
            "does not support dry run",
            id="webhook without dry run",
        ),
        pytest.param(
            status(
                403,
                'pods "x" is forbidden: error looking up service account: serviceaccount "a" not found',
                "Forbidden",
                {"name": "x"},
            ),
            'service account "a" does not exist',
            id="no service account yet",
        ),
        pytest.param(status(503, "away", "ServiceUnavailable"), "503", id="503"),
        pytest.param(status(409, "already exists", "AlreadyExists"), "same name", id="409"),
        pytest.param(text("<html>", 404), "not a Kubernetes API server", id="another server"),
    ],
)
async def test_what_stands_in_the_way_is_told(
    server: ApiServer, trial: Trial, reply: Any, words: str
) -> None:
    server.on("POST", PODS, reply)
    why = await dry_run(trial)
    assert why is not None
    assert words in why
    assert "Unknown fields" not in why


async def test_unknown_fields_are_told(server: ApiServer, trial: Trial) -> None:
    server.on("POST", PODS, status(401, "Unauthorized", "Unauthorized"))
    why = await dry_run(with_override(trial, "spec:\n  contianers: []\n"))
    assert why is not None
    assert "Unknown fields in pod_spec_override: spec.contianers (line 2)" in why


async def test_nothing_listens(server: ApiServer, trial: Trial) -> None:
    await server.__aexit__(None, None, None)
    why = await dry_run(trial)
    assert why is not None
    assert "connection refused" in why


async def test_a_connection_that_cannot_be_read(trial: Trial) -> None:
    values = {**trial.values, "kubeconfig": "/does/not/exist"}
    why = await dry_run(Trial(values, None, None, None, {}, trial.home))
    assert why is not None
    assert "/does/not/exist" in why


async def test_a_server_that_says_nothing_is_not_waited_for(server: ApiServer, trial: Trial) -> None:
    over = asyncio.Event()

    async def wait(_request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    server.on("POST", PODS, wait)
    why = await dry_run(trial, seconds=0.3)
    over.set()
    assert why is not None
    assert "0.3 s" in why


# -- the verb --


class User:
    """Somebody who calls the module.

    Attributes:
        server: of the cluster.
        feed: what the last call told.
        connection: options that reach the cluster.
    """

    def __init__(self, server: ApiServer, authority: Authority, folder: Path) -> None:
        self.server = server
        self.feed = KeptFeed()
        self.connection: dict[str, Any] = {"host": server.url, "api_key": SENT, "ssl_ca_cert": authority.pem}
        self._folder = folder

    async def call(self, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        self.feed = KeptFeed()
        request = request_for(module, self._folder, check=check, **options)
        result = await verb(module)(request, self.feed, None)  # type: ignore[arg-type]
        assert result is not None
        return result

    async def save(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        return await self.call("container_group", check=check, **{"name": "prod", **options})

    async def new(self, **options: Any) -> None:
        """Saves a group and forgets what was asked for it."""
        await self.save(**self.connection, namespace="jobs", **options)
        self.server.seen.clear()

    async def names(self) -> list[str]:
        found = (await self.call("object_info", kind="container_group"))["objects"]
        return [each["name"] for each in found if each["name"] != "controlplane"]


@pytest.fixture
def user(server: ApiServer, authority: Authority, tmp_path: Path) -> User:
    return User(server, authority, tmp_path)


@pytest.mark.parametrize("check", [False, True])
async def test_a_new_group_is_tried(user: User, check: bool) -> None:
    given = {**user.connection, "namespace": "jobs", "pod_spec_override": OVERRIDE}
    result = await user.save(check=check, **given)
    assert (result["changed"], user.feed.warnings) == (True, [])
    (seen,) = user.server.seen
    assert (seen.path, seen.query["dryRun"]) == (PODS, "All")
    assert seen.body["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert await user.names() == ([] if check else ["prod"])


async def test_a_group_of_credential_and_environment_is_tried_with_them(user: User) -> None:
    inputs = {"host": user.server.url, "bearer_token": SENT, "ssl_ca_cert": user.connection["ssl_ca_cert"]}
    kind = "kubernetes_bearer_token"
    await user.call("credential", name="cluster", credential_type=kind, inputs=inputs)
    await user.call("execution_environment", name="ee", image="quay.io/own:1", pull="always")
    await user.save(credential="cluster", execution_environment="ee", namespace="jobs")
    (seen,) = user.server.seen
    container = seen.body["spec"]["containers"][0]
    assert (container["image"], container["imagePullPolicy"]) == ("quay.io/own:1", "Always")
    assert seen.authorization == f"Bearer {SENT}"
    assert user.feed.warnings == []


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"namespace": "jobs"}, id="the same"),
        pytest.param({"max_forks": 5, "description": "mine"}, id="limits"),
        pytest.param({"new_name": "other"}, id="name"),
        pytest.param({"pod_pending_timeout": 60}, id="timeout"),
        pytest.param({"state": "absent"}, id="deletion"),
    ],
)
async def test_what_makes_no_other_pod_is_not_tried(user: User, options: dict[str, Any]) -> None:
    await user.new()
    await user.save(**options)
    assert user.server.seen == []


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"pod_spec_override": OVERRIDE}, id="override"),
        pytest.param({"verify_ssl": True}, id="connection"),
        pytest.param({"name": "copy", "copy_from": "prod"}, id="copy"),
    ],
)
async def test_what_makes_another_pod_is_tried(user: User, options: dict[str, Any]) -> None:
    await user.new()
    await user.save(**options)
    assert len(user.server.seen) == 1
    assert user.feed.warnings == []


async def test_another_namespace_is_tried(user: User) -> None:
    await user.new()
    user.server.on("POST", PODS.replace("jobs", "other"), document({"kind": "Pod"}, 201))
    await user.save(namespace="other")
    assert [seen.path for seen in user.server.seen] == [PODS.replace("jobs", "other")]


async def test_the_controlplane_is_not_tried(user: User) -> None:
    result = await user.save(name="controlplane", max_forks=5)
    assert (result["changed"], user.server.seen, user.feed.warnings) == (True, [], [])


@pytest.mark.parametrize("check", [False, True])
async def test_a_pod_spec_that_the_server_calls_invalid_is_refused(user: User, check: bool) -> None:
    user.server.on("POST", PODS, INVALID)
    given = "spec:\n  containers:\n    - name: worker\n      image: ' a'\n"
    with pytest.raises(Failure) as caught:
        await user.save(check=check, **user.connection, namespace="jobs", pod_spec_override=given)
    assert caught.value.reason == "InvalidPodSpec"
    assert "line 4" in caught.value.message
    assert await user.names() == []


async def test_a_change_that_the_server_calls_invalid_changes_nothing(user: User) -> None:
    await user.new()
    user.server.on("POST", PODS, INVALID)
    with pytest.raises(Failure):
        await user.save(pod_spec_override=OVERRIDE, max_forks=5)
    (kept,) = (await user.call("object_info", kind="container_group", name="prod"))["objects"]
    assert (kept["pod_spec_override"], kept["max_forks"]) == ({}, 0)


async def test_what_is_wrong_by_itself_is_not_tried(user: User) -> None:
    given = "spec:\n  containers:\n    - name: worker\n      command: sleep\n"
    with pytest.raises(Failure, match=r"spec.containers\[0\].command \(line 4\) must be a list"):
        await user.save(**user.connection, pod_spec_override=given)
    assert user.server.seen == []


@pytest.mark.parametrize(
    ("check", "saved"),
    [pytest.param(False, "is saved", id="real"), pytest.param(True, "would be saved", id="check")],
)
async def test_a_group_that_can_t_be_reached_is_saved_with_a_warning(
    user: User, check: bool, saved: str
) -> None:
    await user.server.__aexit__(None, None, None)
    result = await user.save(check=check, **user.connection)
    assert result["changed"]
    (warning,) = user.feed.warnings
    assert warning.startswith(f"container group 'prod' {saved}, but can't be tried on its cluster: ")
    assert "connection refused" in warning
    assert SENT not in warning
    assert await user.names() == ([] if check else ["prod"])


async def test_a_group_without_any_connection_is_saved_with_a_warning(user: User) -> None:
    await user.save()
    (warning,) = user.feed.warnings
    assert "kubeconfig" in warning


async def test_relative_paths_start_where_the_playbook_is(user: User, tmp_path: Path) -> None:
    result = await user.save(kubeconfig="clusters/config")
    assert result["object"]["kubeconfig"] == str(tmp_path / "clusters/config")
    (warning,) = user.feed.warnings
    assert str(tmp_path / "clusters/config") in warning
