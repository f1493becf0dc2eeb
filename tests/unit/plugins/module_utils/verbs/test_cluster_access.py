# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access is given and taken away, again and again, and nothing of other people's is touched."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import cluster_access as access
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import verb
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    SENT,
    ApiServer,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.kept_objects import (
    TOKEN,
    KeptObjects,
)

NAMESPACE = "/api/v1/namespaces/jobs"
ROLE = "/apis/rbac.authorization.k8s.io/v1/namespaces/jobs/roles/container-group"
OURS = ["Role container-group", "RoleBinding container-group", "ServiceAccount container-group"]
OF_CLUSTER = ["ConfigMap kube-root-ca.crt", "Namespace jobs", "ServiceAccount default"]
MADE = [
    ("Namespace", "jobs"),
    ("ServiceAccount", "container-group"),
    ("Role", "container-group"),
    ("RoleBinding", "container-group"),
]
LONG_LIVED: dict[str, Any] = {"token": "long_lived"}
BOUND: dict[str, Any] = {"token": "bound"}
LABELS = {"app.kubernetes.io/managed-by": "jobpods"}


class Admin:
    """Somebody who calls the module.

    Attributes:
        objects: of the cluster.
        feed: what the last call told.
    """

    def __init__(self, objects: KeptObjects, connection: dict[str, Any], folder: Path) -> None:
        self.objects = objects
        self.feed = KeptFeed()
        self._connection = connection
        self._folder = folder

    async def call(self, *, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        self.feed = KeptFeed()
        given = {"namespace": "jobs", **self._connection, **options}
        request = request_for("cluster_access", self._folder, check=check, diff=diff, **given)
        result = await verb("cluster_access")(request, self.feed, None)  # type: ignore[arg-type]
        assert result is not None
        return result


@pytest_asyncio.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    authority = Authority()
    context = server_context(tmp_path / "server", *authority.issue("127.0.0.1"))
    server = ApiServer(context)
    objects = KeptObjects(server)
    async with server:
        connection = {"host": server.url, "api_key": SENT, "ssl_ca_cert": authority.pem}
        yield Admin(objects, connection, tmp_path)


def done(result: dict[str, Any], action: str) -> list[tuple[str, str]]:
    """The objects of a result, to all of which the same was done."""
    assert {each["action"] for each in result["objects"]} <= {action}
    return [(each["kind"], each["name"]) for each in result["objects"]]


async def test_everything_is_made_once(admin: Admin) -> None:
    first = await admin.call()
    assert (first["changed"], first["failed"], first["token"]) == (True, False, "")
    assert done(first, "created") == MADE
    assert admin.objects.names() == sorted([*OF_CLUSTER, *OURS])
    assert admin.feed.steps() == [f"{kind} {name} created" for kind, name in MADE]
    again = await admin.call()
    assert (again["changed"], again["objects"]) == (False, [])
    assert admin.feed.steps() == []


async def test_the_role_has_awxs_rules_and_events(admin: Admin) -> None:
    await admin.call()
    rules = {rule["resources"][0]: rule["verbs"] for rule in admin.objects.objects[ROLE]["rules"]}
    assert rules == {
        "pods": ["get", "list", "watch", "create", "update", "patch", "delete"],
        "pods/log": ["get"],
        "pods/attach": ["get", "list", "watch", "create"],
        "events": ["get", "list", "watch"],
    }


async def test_secrets_are_allowed_by_a_switch(admin: Admin) -> None:
    await admin.call()
    result = await admin.call(registry_secrets=True, diff=True)
    assert done(result, "changed") == [("Role", "container-group")]
    (diff,) = result["diff"]
    assert diff["after"]["rules"][-1] == {
        "apiGroups": [""],
        "resources": ["secrets"],
        "verbs": ["get", "create", "delete"],
    }
    assert len(diff["before"]["rules"]) == 4
    assert done(await admin.call(), "changed") == [("Role", "container-group")]


async def test_a_namespace_that_is_there_is_left_as_it_is(admin: Admin) -> None:
    admin.objects.put(NAMESPACE, "Namespace", metadata={"labels": {"team": "net"}})
    assert done(await admin.call(), "created") == MADE[1:]
    assert admin.objects.objects[NAMESPACE]["metadata"]["labels"] == {"team": "net"}
    result = await admin.call(state="absent")
    assert ("Namespace", "jobs") not in done(result, "deleted")
    assert admin.objects.names() == ["Namespace jobs"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param(f"{NAMESPACE}/serviceaccounts/container-group", "ServiceAccount", id="account"),
        pytest.param(ROLE, "Role", id="role"),
    ],
)
async def test_what_others_have_made_is_not_taken(admin: Admin, path: str, kind: str) -> None:
    admin.objects.put(NAMESPACE, "Namespace")
    admin.objects.put(path, kind)
    with pytest.raises(Failure, match=f"service_account: the {kind} 'container-group'"):
        await admin.call()
    await admin.call(state="absent")
    assert path in admin.objects.objects


# -- tokens --


async def test_a_long_lived_token_is_the_same_each_time(admin: Admin) -> None:
    first = await admin.call(**LONG_LIVED)
    assert (first["token"], first["token_expires"]) == (TOKEN, None)
    assert done(first, "created")[-1] == ("Secret", "container-group-token")
    again = await admin.call(**LONG_LIVED)
    assert (again["changed"], again["token"]) == (False, TOKEN)


async def test_a_token_is_in_no_message_and_no_diff(admin: Admin) -> None:
    await admin.call(diff=True)
    result = await admin.call(diff=True, **LONG_LIVED)
    del result["token"]
    assert TOKEN not in str(result)
    result = await admin.call(diff=True, state="absent")
    assert base64.b64encode(TOKEN.encode()).decode() not in str(result)


async def test_a_bound_token_is_new_each_time_and_ends(admin: Admin) -> None:
    await admin.call(**LONG_LIVED)
    first = await admin.call(**BOUND, token_seconds=3600)
    assert first["token"].startswith("bound1.")
    assert first["token_expires"] == "2027-01-15T09:00:00Z"  # noqa: S105 - a moment
    assert "Secret container-group-token" not in admin.objects.names()
    again = await admin.call(**BOUND)
    assert again["changed"]
    assert again["token"].startswith("bound2.")


async def test_no_token_leaves_the_one_that_is_there(admin: Admin) -> None:
    await admin.call(**LONG_LIVED)
    assert not (await admin.call())["changed"]
    assert "Secret container-group-token" in admin.objects.names()


# -- check mode --


@pytest.mark.parametrize("token", ["none", "long_lived", "bound"])
async def test_check_mode_makes_nothing(admin: Admin, token: str) -> None:
    result = await admin.call(check=True, diff=True, token=token)
    assert admin.objects.objects == {}
    assert admin.objects.tokens == 0
    assert (result["changed"], result["token"]) == (True, "")
    assert done(result, "created")[:4] == MADE
    assert "would be created" in result["msg"]
    assert all(diff["before"] == {} and diff["after"] for diff in result["diff"])


async def test_check_mode_tells_what_would_change(admin: Admin) -> None:
    await admin.call(**LONG_LIVED)
    assert not (await admin.call(check=True, **LONG_LIVED))["changed"]
    before = str(admin.objects.objects)
    result = await admin.call(check=True, registry_secrets=True, **LONG_LIVED)
    assert done(result, "changed") == [("Role", "container-group")]
    assert result["token"] == TOKEN
    result = await admin.call(check=True, state="absent")
    assert len(done(result, "deleted")) == 5
    assert str(admin.objects.objects) == before


# -- absent --


async def test_everything_is_removed_once(admin: Admin) -> None:
    await admin.call(**LONG_LIVED)
    result = await admin.call(state="absent")
    assert done(result, "deleted") == [("Secret", "container-group-token"), *reversed(MADE)]
    assert admin.objects.objects == {}
    again = await admin.call(state="absent")
    assert (again["changed"], again["failed"]) == (False, False)


@pytest.mark.parametrize(
    ("path", "kind", "fields"),
    [
        pytest.param("pods/db", "Pod", {}, id="pod"),
        pytest.param("persistentvolumeclaims/data", "PersistentVolumeClaim", {}, id="claim"),
        pytest.param("configmaps/settings", "ConfigMap", {}, id="config map"),
        pytest.param("secrets/password", "Secret", {"type": "Opaque"}, id="secret"),
        pytest.param("serviceaccounts/app", "ServiceAccount", {}, id="account"),
    ],
)
async def test_a_namespace_with_other_things_in_it_is_kept(
    admin: Admin, path: str, kind: str, fields: dict[str, Any]
) -> None:
    await admin.call()
    admin.objects.put(f"{NAMESPACE}/{path}", kind, **fields)
    result = await admin.call(state="absent")
    assert done(result, "deleted") == [*reversed(MADE[1:])]
    assert f"{NAMESPACE}/{path}" in admin.objects.objects
    (warning,) = admin.feed.warnings
    assert warning == f"the namespace jobs is kept, since it has {kind} {path.split('/')[1]}"


async def test_what_openshift_puts_into_a_namespace_does_not_keep_it(admin: Admin) -> None:
    await admin.call()
    admin.objects.put(f"{NAMESPACE}/serviceaccounts/builder", "ServiceAccount")
    admin.objects.put(f"{NAMESPACE}/configmaps/openshift-service-ca.crt", "ConfigMap")
    owner = {"annotations": {"kubernetes.io/service-account.name": "builder"}}
    admin.objects.put(
        f"{NAMESPACE}/secrets/builder-dockercfg-x1", "Secret", type="kubernetes.io/dockercfg", metadata=owner
    )
    await admin.call(state="absent")
    assert admin.objects.objects == {}


# -- others --


async def test_how_the_cluster_is_reached_is_returned(admin: Admin) -> None:
    result = await admin.call()
    assert result["host"].startswith("https://127.0.0.1:")
    assert result["verify_ssl"] is True
    assert result["ssl_ca_cert"].startswith("-----BEGIN CERTIFICATE-----")


async def test_an_old_namespace_is_waited_for(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOOK_INTERVAL", 0.001)
    admin.objects.put(NAMESPACE, "Namespace", status={"phase": "Terminating"})
    admin.objects.looks_left[NAMESPACE] = 3
    assert done(await admin.call(), "created") == MADE


async def test_a_wait_has_an_end(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "WAIT_SECONDS", 0.0)
    admin.objects.put(NAMESPACE, "Namespace", status={"phase": "Terminating"})
    with pytest.raises(Failure, match="in vain for the end of the old"):
        await admin.call()


async def test_a_namespace_that_goes_is_gone(admin: Admin) -> None:
    admin.objects.put(NAMESPACE, "Namespace", status={"phase": "Terminating"}, metadata={"labels": LABELS})
    assert not (await admin.call(state="absent"))["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"namespace": "My_Jobs"}, "namespace is 'My_Jobs'", id="namespace"),
        pytest.param({"service_account": "a b"}, "service_account is 'a b'", id="account"),
        pytest.param({"token_seconds": 599}, "token_seconds is 599", id="seconds"),
        pytest.param({"kubeconfig": "a"}, "exclude each other", id="connection"),
    ],
)
async def test_what_is_wrong_is_named(admin: Admin, options: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure, match=words) as caught:
        await admin.call(**options)
    assert caught.value.reason == "InvalidConfiguration"
    assert admin.objects.objects == {}
