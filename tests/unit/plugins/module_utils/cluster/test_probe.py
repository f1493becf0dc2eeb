# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection is tested step by step, against a real server."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import PERMISSIONS, Check
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.probe import STEPS, Probe
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Limits
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    VERSION,
    ApiServer,
    document,
    hang_up,
    status,
    text,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.conftest import QUICK

NAMES = [*STEPS, *(permission.check for permission in PERMISSIONS)]
NAMESPACE = "/api/v1/namespaces/jobs"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
USER = "system:serviceaccount:jobs:runner"
UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")
FORBIDDEN = status(403, f'namespaces "jobs" is forbidden: User "{USER}" cannot get resource', "Forbidden")


@pytest.fixture
def cluster(server: ApiServer) -> ApiServer:
    """A cluster in which everything is allowed."""
    server.on("POST", WHOAMI, document({"status": {"userInfo": {"username": USER}}}, 201))
    server.on("GET", NAMESPACE, document({"kind": "Namespace", "status": {"phase": "Active"}}))
    server.on("POST", REVIEWS, document({"status": {"allowed": True}}, 201))
    return server


def deny(cluster: ApiServer, *denied: str) -> None:
    """Has the cluster deny permissions, each written as its check's name."""

    async def answer(request: web.Request) -> web.StreamResponse:
        asked = (await request.json())["spec"]["resourceAttributes"]
        name = f"{asked['verb']} {asked['resource']}" + (
            f"/{asked['subresource']}" if asked["subresource"] else ""
        )
        return web.json_response({"status": {"allowed": name not in denied}}, status=201)

    cluster.on("POST", REVIEWS, answer)


async def run(connection: Connection) -> tuple[Probe, dict[str, Check]]:
    """All checks of a connection, which are always the same ones in the same order."""
    probe = Probe(connection, "jobs", {}, limits=Limits(connect=5, request=5), retry=QUICK)
    checks = [check async for check in probe.checks()]
    assert [check.check for check in checks] == NAMES
    return probe, {check.check: check for check in checks}


def outcome(checks: dict[str, Check]) -> list[bool | None]:
    """How the checks ended that are not about a permission."""
    return [checks[name].ok for name in STEPS]


async def test_all_is_well(cluster: ApiServer, connection: Connection) -> None:
    probe, checks = await run(connection)
    assert all(check.ok for check in checks.values())
    assert (probe.version, probe.user, probe.expires) == (VERSION["gitVersion"], USER, None)
    assert cluster.seen[0].path == "/version"
    assert [seen.authorization for seen in cluster.seen] == [None] + [f"Bearer {SENT}"] * (
        len(cluster.seen) - 1
    )


async def test_nothing_is_changed(cluster: ApiServer, connection: Connection) -> None:
    cluster.on("GET", NAMESPACE, FORBIDDEN)
    cluster.on("POST", f"{NAMESPACE}/pods", document({"kind": "Pod"}, 201))
    await run(connection)
    reviews = {WHOAMI, REVIEWS}
    writes = [seen for seen in cluster.seen if seen.method != "GET" and seen.path not in reviews]
    assert [seen.query["dryRun"] for seen in writes] == ["All"]


async def test_a_missing_permission_is_named(cluster: ApiServer, connection: Connection) -> None:
    deny(cluster, "create pods/attach", "list events")
    _probe, checks = await run(connection)
    assert [name for name, check in checks.items() if not check.ok] == ["create pods/attach", "list events"]
    assert [name for name, check in checks.items() if check.failed] == ["create pods/attach"]
    assert USER in checks["create pods/attach"].message


async def test_reviews_that_are_refused_leave_the_rest_unknown(
    cluster: ApiServer, connection: Connection
) -> None:
    message = f'selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "{USER}" cannot create'
    cluster.on("POST", REVIEWS, status(403, message, "Forbidden"))
    _probe, checks = await run(connection)
    assert outcome(checks) == [True] * 5
    assert {checks[permission.check].ok for permission in PERMISSIONS} == {None}
    assert "selfsubjectaccessreviews" in checks["create pods"].message
    assert "because of the check create pods" in checks["get pods"].message
    assert sum(seen.path == REVIEWS for seen in cluster.seen) == 1


# -- the way there --


async def test_nothing_listens(server: ApiServer, connection: Connection) -> None:
    await server.__aexit__(None, None, None)
    _probe, checks = await run(connection)
    assert outcome(checks) == [False, None, None, None, None]
    assert "refused" in checks["address"].message
    assert "because of the check address" in checks["create pods"].message


async def test_an_unknown_authority(server: ApiServer, connection: Connection) -> None:
    _probe, checks = await run(replace(connection, ca_text=Authority("other").pem))
    assert outcome(checks) == [True, False, None, None, None]
    assert "unknown CA" in checks["tls"].message


async def test_a_certificate_that_is_not_checked(cluster: ApiServer, connection: Connection) -> None:
    _probe, checks = await run(replace(connection, ca_text=None, verify_ssl=False))
    assert outcome(checks) == [True] * 5
    assert "not checked" in checks["tls"].message


async def test_a_server_that_cuts_the_connection(server: ApiServer, connection: Connection) -> None:
    server.on("GET", "/version", hang_up)
    _probe, checks = await run(connection)
    assert outcome(checks) == [True, True, False, None, None]


@pytest.mark.parametrize("code", [200, 401, 403, 404])
async def test_another_server(server: ApiServer, connection: Connection, code: int) -> None:
    server.on("GET", "/version", text("<html>Welcome</html>", code))
    _probe, checks = await run(connection)
    assert outcome(checks) == [True, True, False, None, None]
    assert "not a Kubernetes API server" in checks["kubernetes"].message
    assert all(seen.authorization is None for seen in server.seen)


async def test_kubernetes_without_tls() -> None:
    async with ApiServer(None) as server:
        server.on("GET", "/version", document(VERSION))
        _probe, checks = await run(Connection(host=server.url, source="the test", token=SENT))
        assert all(seen.authorization is None for seen in server.seen)
    assert outcome(checks) == [True, False, None, None, None]
    assert "without TLS" in checks["tls"].message


async def test_a_server_without_tls_where_it_should_have_it() -> None:
    async with ApiServer(None) as server:
        host = server.url.replace("http:", "https:")
        _probe, checks = await run(Connection(host=host, source="the test", token=SENT))
    assert outcome(checks) == [True, False, None, None, None]


async def test_a_proxy_that_gives_no_way(server: ApiServer, connection: Connection) -> None:
    async with ApiServer(None) as proxy:
        _probe, checks = await run(replace(connection, proxy_url=proxy.url))
    assert outcome(checks) == [False, None, None, None, None]
    assert proxy.url in checks["address"].message


# -- who asks --


async def test_a_wrong_token(cluster: ApiServer, connection: Connection) -> None:
    cluster.on("POST", WHOAMI, UNAUTHORIZED)
    probe, checks = await run(connection)
    assert outcome(checks) == [True, True, True, False, None]
    assert "401" in checks["token"].message
    assert probe.version == VERSION["gitVersion"]


async def test_a_version_that_only_known_users_may_see(cluster: ApiServer, connection: Connection) -> None:
    cluster.on("GET", "/version", UNAUTHORIZED, document(VERSION))
    probe, checks = await run(connection)
    assert outcome(checks) == [True] * 5
    assert probe.version == VERSION["gitVersion"]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(status(404, "the server could not find the requested resource", "NotFound"), id="old"),
        pytest.param(status(403, "selfsubjectreviews is forbidden", "Forbidden"), id="not allowed"),
    ],
)
async def test_a_server_that_does_not_say_for_whom(
    cluster: ApiServer, connection: Connection, reply: Any
) -> None:
    cluster.on("POST", WHOAMI, reply)
    deny(cluster, "get pods")
    probe, checks = await run(connection)
    assert (checks["token"].ok, probe.user) == (True, "")
    assert checks["get pods"].message.startswith("The connection's user may not get pods")


async def test_a_connection_of_nobody(cluster: ApiServer, connection: Connection) -> None:
    cluster.on("POST", WHOAMI, document({"status": {"userInfo": {"username": "system:anonymous"}}}, 201))
    _probe, checks = await run(replace(connection, token=None))
    assert outcome(checks) == [True, True, True, False, None]
    assert "no token or certificate" in checks["token"].message


async def test_a_token_that_ends(cluster: ApiServer, connection: Connection) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1800000000}).encode()).decode().rstrip("=")
    probe, checks = await run(replace(connection, token=f"a.{claims}.c"))
    assert "until 2027-01-15T08:00:00Z" in checks["token"].message
    assert probe.expires is not None


async def test_a_login_that_fails(cluster: ApiServer, connection: Connection) -> None:
    mapping = {
        "clusters": [{"name": "c", "cluster": {"server": cluster.url}}],
        "users": [{"name": "u", "user": {"exec": {"apiVersion": "v0", "command": "/does/not/exist"}}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    broken = replace(connection, token=None, kubeconfig=mapping, context="x", login="exec")
    _probe, checks = await run(broken)
    assert outcome(checks) == [True, True, True, False, None]
    assert "exec login" in checks["token"].message


async def test_a_client_certificate(cluster: ApiServer, connection: Connection, authority: Authority) -> None:
    certificate, key = authority.issue("runner")
    _probe, checks = await run(
        replace(connection, token=None, client_certificate=certificate, client_key=key)
    )
    assert outcome(checks) == [True] * 5
    assert {seen.client_name for seen in cluster.seen} == {"runner"}


async def test_a_client_certificate_that_cannot_be_used(cluster: ApiServer, connection: Connection) -> None:
    _probe, checks = await run(replace(connection, token=None, client_certificate="broken", client_key="key"))
    assert outcome(checks) == [True, True, True, False, None]
    assert "client certificate" in checks["token"].message


async def test_an_api_server_that_goes_away(cluster: ApiServer, connection: Connection) -> None:
    cluster.on("POST", WHOAMI, status(503, "away", "ServiceUnavailable"))
    _probe, checks = await run(connection)
    assert outcome(checks) == [True, True, True, None, None]
    assert "503" in checks["token"].message


# -- the namespace --

MISSING = status(404, 'namespaces "jobs" not found', "NotFound", {"name": "jobs", "kind": "namespaces"})
ENDING = {"causes": [{"reason": "NamespaceTerminating", "message": "namespace jobs is being terminated"}]}


@pytest.mark.parametrize(
    ("reply", "ok", "words"),
    [
        pytest.param(MISSING, False, "does not exist", id="missing"),
        pytest.param(
            document({"status": {"phase": "Terminating"}}), False, "is being deleted", id="being deleted"
        ),
        pytest.param(status(503, "away", "ServiceUnavailable"), None, "503", id="no answer"),
    ],
)
async def test_the_namespace(
    cluster: ApiServer, connection: Connection, reply: Any, ok: bool | None, words: str
) -> None:
    cluster.on("GET", NAMESPACE, reply)
    _probe, checks = await run(connection)
    assert checks["namespace"].ok is ok
    assert words in checks["namespace"].message
    assert checks["create pods"].ok is True


@pytest.mark.parametrize(
    ("reply", "ok", "words"),
    [
        pytest.param(document({"kind": "Pod"}, 201), True, "exists", id="the pod is taken"),
        pytest.param(
            status(403, 'pods "x" is forbidden: exceeded quota: small', "Forbidden", {"name": "x"}),
            True,
            "exists",
            id="quota",
        ),
        pytest.param(status(422, 'Pod "x" is invalid', "Invalid"), True, "exists", id="invalid"),
        pytest.param(MISSING, False, "does not exist", id="missing"),
        pytest.param(status(403, "being terminated", "Forbidden", ENDING), False, "deleted", id="ending"),
        pytest.param(
            status(403, f'pods is forbidden: User "{USER}" cannot create resource "pods"', "Forbidden"),
            None,
            "can't be told",
            id="not allowed",
        ),
        pytest.param(text("<html>", 404), None, "not a Kubernetes API server", id="a proxy's page"),
    ],
)
async def test_a_namespace_that_may_not_be_read(
    cluster: ApiServer, connection: Connection, reply: Any, ok: bool | None, words: str
) -> None:
    cluster.on("GET", NAMESPACE, FORBIDDEN)
    cluster.on("POST", f"{NAMESPACE}/pods", reply)
    _probe, checks = await run(connection)
    assert checks["namespace"].ok is ok
    assert words in checks["namespace"].message
