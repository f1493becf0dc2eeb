# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests themselves, against a real server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    AlreadyExists,
    Unreachable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    VERSION,
    ApiServer,
    document,
    hang_up,
    status,
    text,
)

PODS = "/api/v1/namespaces/jobs/pods"
MANIFEST = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "job-1", "namespace": "jobs"}}
NOT_FOUND = status(404, 'pods "job-1" not found', "NotFound", {"name": "job-1", "kind": "pods"})


async def test_check_returns_the_version(client: ClusterClient, server: ApiServer) -> None:
    assert await client.check() == VERSION
    assert server.seen[0].authorization == f"Bearer {SENT}"
    assert client.requests == 1


async def test_check_is_content_where_the_version_is_forbidden(
    client: ClusterClient, server: ApiServer
) -> None:
    message = 'forbidden: User "bob" cannot get path "/version"'
    server.on("GET", "/version", status(403, message, "Forbidden"))
    assert await client.check() == {}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(text("<html>Welcome</html>"), id="page"),
        pytest.param(document({"version": "1.0"}), id="another API"),
        pytest.param(text("<html>Not found</html>", 404), id="404"),
        pytest.param(text("", 302, {"Location": "https://login.test/"}), id="redirect"),
        pytest.param(document([1, 2]), id="list"),
    ],
)
async def test_another_server_is_not_kubernetes(client: ClusterClient, server: ApiServer, reply: Any) -> None:
    server.on("GET", "/version", reply)
    with pytest.raises(Failure) as caught:
        await client.check()
    assert caught.value.reason == "NotKubernetes"
    assert server.url in caught.value.message
    assert len(server.seen) == 1


async def test_create_sends_the_manifest(client: ClusterClient, server: ApiServer) -> None:
    created = {**MANIFEST, "status": {"phase": "Pending"}}
    server.on("POST", PODS, document(created, 201))
    assert await client.create_pod(MANIFEST) == created
    assert server.seen[0].body == MANIFEST


async def test_create_sends_the_manifest_for_real(client: ClusterClient, server: ApiServer) -> None:
    server.on("POST", PODS, document(MANIFEST, 201))
    await client.create_pod(MANIFEST)
    await client.create_pod(MANIFEST, dry_run=True)
    assert [seen.query for seen in server.seen] == [{}, {"dryRun": "All", "fieldValidation": "Strict"}]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        pytest.param(r'299 - "unknown field \"spec.x\""', ['unknown field "spec.x"'], id="unknown field"),
        pytest.param('299 - "one", 299 - "two, too" "Tue, 15 Nov"', ["one", "two, too"], id="several"),
        pytest.param('299 - "one", 299 - "one"', ["one"], id="twice"),
        pytest.param('299 - "a\x85b\u202ec\td"', ["a b c d"], id="not printable"),
        pytest.param(f'299 - "{"x" * 5000}"', ["x" * 299 + "…"], id="long"),
        pytest.param(", ".join(f'299 - "{n}"' for n in range(99)), [str(n) for n in range(10)], id="many"),
        pytest.param(f'299 - "you sent {SENT}"', ["you sent ***"], id="secret"),
        pytest.param("rubbish", [], id="no warning"),
    ],
)
async def test_create_tells_what_the_server_warns_of(
    connection: Connection, server: ApiServer, header: str, told: list[str]
) -> None:
    server.on("POST", PODS, document(MANIFEST, 201, {"Warning": header}))
    warned: list[str] = []
    async with ClusterClient(connection, environ={}) as client:
        assert await client.create_pod(MANIFEST, warn=warned.append) == MANIFEST
    assert warned == told


async def test_create_twice_is_told(client: ClusterClient, server: ApiServer) -> None:
    server.on("POST", PODS, hang_up, status(409, 'pods "job-1" already exists', "AlreadyExists"))
    with pytest.raises(AlreadyExists, match='"job-1" already exists'):
        await client.create_pod(MANIFEST)


async def test_conflict_at_a_quota_is_tried_again(client: ClusterClient, server: ApiServer) -> None:
    message = 'Operation cannot be fulfilled on resourcequotas "small": it has been modified'
    server.on("POST", PODS, status(409, message, "Conflict"), document(MANIFEST, 201))
    assert await client.create_pod(MANIFEST) == MANIFEST


async def test_get_tells_a_missing_pod(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", f"{PODS}/job-1", document(MANIFEST), NOT_FOUND)
    assert await client.get_pod("jobs", "job-1") == MANIFEST
    assert await client.get_pod("jobs", "job-1") is None


async def test_missing_pod_is_not_believed_to_another_server(
    client: ClusterClient, server: ApiServer
) -> None:
    server.on("GET", f"{PODS}/job-1", text("<html>Not found</html>", 404))
    with pytest.raises(Failure) as caught:
        await client.get_pod("jobs", "job-1")
    assert caught.value.reason == "NotKubernetes"


async def test_delete_names_uid_and_grace(client: ClusterClient, server: ApiServer) -> None:
    server.on("DELETE", f"{PODS}/job-1", document(MANIFEST))
    assert await client.delete_pod("jobs", "job-1", uid="u-1", grace=0)
    assert server.seen[0].body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u-1"},
        "gracePeriodSeconds": 0,
    }


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(NOT_FOUND, id="gone"),
        pytest.param(
            status(
                409,
                'Operation cannot be fulfilled on Pod "job-1": Precondition failed: '
                "UID in precondition: u-1, UID in object meta: u-2",
                "Conflict",
            ),
            id="namesake",
        ),
    ],
)
async def test_delete_of_what_is_gone(client: ClusterClient, server: ApiServer, reply: Any) -> None:
    server.on("DELETE", f"{PODS}/job-1", reply)
    assert not await client.delete_pod("jobs", "job-1", uid="u-1", grace=None)
    assert len(server.seen) == 1


async def test_list_follows_pages(client: ClusterClient, server: ApiServer) -> None:
    first = {"metadata": {"continue": "next"}, "items": [{"n": 1}]}
    server.on("GET", PODS, document(first), document({"metadata": {}, "items": [{"n": 2}]}))
    assert await client.list_pods("jobs", "jobpods.job=1") == [{"n": 1}, {"n": 2}]
    assert server.seen[0].query == {"labelSelector": "jobpods.job=1", "limit": "500"}
    assert server.seen[1].query["continue"] == "next"


async def test_events_come_oldest_first(client: ClusterClient, server: ApiServer) -> None:
    events = [
        {"reason": "Pulling", "lastTimestamp": "2026-01-01T00:00:02Z"},
        {"reason": "Scheduled", "lastTimestamp": None, "eventTime": "2026-01-01T00:00:01.5Z"},
    ]
    server.on("GET", "/api/v1/namespaces/jobs/events", document({"metadata": {}, "items": events}))
    found = await client.pod_events("jobs", "u-1")
    assert [each["reason"] for each in found] == ["Scheduled", "Pulling"]
    assert server.seen[0].query["fieldSelector"] == "involvedObject.uid=u-1"


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(
            status(429, "too many requests", "TooManyRequests", headers={"Retry-After": "1"}), id="429"
        ),
        pytest.param(status(500, "etcdserver: request timed out", "InternalError"), id="500"),
        pytest.param(text("<html>bad gateway</html>", 502), id="502"),
        pytest.param(hang_up, id="reset"),
    ],
)
async def test_passing_trouble_is_tried_again(client: ClusterClient, server: ApiServer, trouble: Any) -> None:
    server.on("GET", f"{PODS}/job-1", trouble, trouble, document(MANIFEST))
    assert await client.get_pod("jobs", "job-1") == MANIFEST


async def test_lasting_trouble_ends_with_the_servers_words(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", f"{PODS}/job-1", status(503, "apiserver is shutting down", "ServiceUnavailable"))
    with pytest.raises(Unreachable) as caught:
        await client.get_pod("jobs", "job-1")
    assert caught.value.failure.reason == "APIServerError"
    assert "apiserver is shutting down" in caught.value.failure.message
    assert len(server.seen) == 4


async def test_refused_permission_is_not_tried_again(client: ClusterClient, server: ApiServer) -> None:
    message = (
        'pods is forbidden: User "bob" cannot create resource "pods" in API group "" in the namespace "jobs"'
    )
    server.on("POST", PODS, status(403, message, "Forbidden", {"kind": "pods"}))
    with pytest.raises(Failure) as caught:
        await client.create_pod(MANIFEST)
    assert caught.value.reason == "Forbidden"
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(hang_up, id="reset"),
        pytest.param(status(504, "the request timed out", "Timeout"), id="504"),
    ],
)
async def test_refusal_is_not_final_where_an_earlier_try_may_have_worked(
    client: ClusterClient, server: ApiServer, first: Any
) -> None:
    server.on("POST", PODS, first, status(403, "pods is forbidden: no", "Forbidden"))
    with pytest.raises(Unreachable) as caught:
        await client.create_pod(MANIFEST)
    assert caught.value.failure.reason == "Forbidden"
    assert not caught.value.unsent
    assert len(server.seen) == 2


async def test_refusal_is_final_after_a_try_without_effect(client: ClusterClient, server: ApiServer) -> None:
    busy = status(429, "too many requests", "TooManyRequests")
    server.on("POST", PODS, busy, status(403, "pods is forbidden: no", "Forbidden"))
    with pytest.raises(Failure) as caught:
        await client.create_pod(MANIFEST)
    assert caught.value.reason == "Forbidden"


async def test_token_is_in_no_message(client: ClusterClient, server: ApiServer) -> None:
    server.on("GET", "/version", text(f"you sent Bearer {SENT}", 400))
    with pytest.raises(Failure) as caught:
        await client.check()
    assert SENT not in repr(caught.value)
    assert "you sent Bearer ***" in caught.value.traceback


async def test_names_are_quoted_in_paths(client: ClusterClient, server: ApiServer) -> None:
    assert await client.get_pod("jobs", "../../../version") is None
    assert server.seen[0].path.startswith(PODS)


async def test_impersonation_goes_with_each_request(server: ApiServer, connection: Connection) -> None:
    acting = Connection.from_stored(
        {**connection.to_stored(), "impersonation": [["Impersonate-User", "carol"]]}
    )
    async with ClusterClient(acting, environ={}) as client:
        await client.check()
    assert server.seen[0].headers["Impersonate-User"] == "carol"


# --- secrets -----

SECRETS = "/api/v1/namespaces/jobs/secrets"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "jobs"}}


async def test_secret_is_made_read_and_deleted(client: ClusterClient, server: ApiServer) -> None:
    server.on("POST", SECRETS, document(SECRET, 201))
    server.on("GET", f"{SECRETS}/a", document(SECRET), status(404, "not found", "NotFound"))
    gone = {"kind": "Status", "status": "Success"}
    server.on("DELETE", f"{SECRETS}/a", document(gone), status(404, "not found", "NotFound"))
    assert await client.create_secret(SECRET) == SECRET
    assert await client.get_secret("jobs", "a") == SECRET
    assert await client.delete_secret("jobs", "a", uid="u1")
    assert not await client.delete_secret("jobs", "a", uid=None)
    assert await client.get_secret("jobs", "a") is None
    options = {"apiVersion": "v1", "kind": "DeleteOptions"}
    assert [seen.body for seen in server.seen] == [
        SECRET,
        None,
        {**options, "preconditions": {"uid": "u1"}},
        options,
        None,
    ]


async def test_secret_of_a_name_that_is_taken(client: ClusterClient, server: ApiServer) -> None:
    server.on("POST", SECRETS, status(409, 'secrets "a" already exists', "AlreadyExists"))
    with pytest.raises(AlreadyExists, match='"a" already exists'):
        await client.create_secret(SECRET)


async def test_another_secret_of_the_name_is_left_alone(client: ClusterClient, server: ApiServer) -> None:
    words = "the UID in the precondition (u1) does not match the UID in record (u2)"
    server.on(
        "DELETE",
        f"{SECRETS}/a",
        status(409, f"Precondition failed: UID in precondition: {words}", "Conflict"),
    )
    assert not await client.delete_secret("jobs", "a", uid="u1")
