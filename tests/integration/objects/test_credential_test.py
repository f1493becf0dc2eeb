# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections are tested on the real cluster: good ones, and those to which something is wrong."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]
Rules = list[tuple[str, list[str]]]

AWX_ROLE: Rules = [
    ("pods", ["get", "list", "watch", "create", "update", "patch", "delete"]),
    ("pods/log", ["get"]),
    ("pods/attach", ["get", "list", "watch", "create"]),
]
"""What AWX's documentation gives its service account (Container Groups: containergroup-sa.yml)."""


@pytest.fixture
def cluster(kubeconfig: Path) -> Options:
    """How the cluster is reached, but for the token."""
    found = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(found["certificate-authority-data"]).decode()
    return {"host": found["server"], "ssl_ca_cert": authority}


@pytest.fixture
def account(core: client.CoreV1Api, namespace: str) -> Callable[[Rules], str]:
    """Makes a service account with a role; returns its token."""
    rbac, reviews = client.RbacAuthorizationV1Api(core.api_client), client.AuthorizationV1Api(core.api_client)

    def make(rules: Rules) -> str:
        metadata = client.V1ObjectMeta(name="runner")
        core.create_namespaced_service_account(namespace, client.V1ServiceAccount(metadata=metadata))
        granted = [
            client.V1PolicyRule(api_groups=[""], resources=[resource], verbs=verbs)
            for resource, verbs in rules
        ]
        rbac.create_namespaced_role(namespace, client.V1Role(metadata=metadata, rules=granted))
        subject = client.RbacV1Subject(kind="ServiceAccount", name="runner", namespace=namespace)
        role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="runner")
        binding = client.V1RoleBinding(metadata=metadata, role_ref=role, subjects=[subject])
        rbac.create_namespaced_role_binding(namespace, binding)

        def known() -> bool:
            user = f"system:serviceaccount:{namespace}:runner"
            asked = client.V1ResourceAttributes(namespace=namespace, verb="create", resource="pods")
            spec = client.V1SubjectAccessReviewSpec(user=user, resource_attributes=asked)
            answer = reviews.create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
            return answer.status is not None and answer.status.allowed

        until(known, "the API server to know of the role")
        request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
        made = core.create_namespaced_service_account_token("runner", namespace, request)
        assert made.status
        return str(made.status.token)

    return make


def outcomes(result: dict[str, Any]) -> dict[str, bool | None]:
    return {check["check"]: check["ok"] for check in result["checks"]}


def missing(result: dict[str, Any]) -> list[str]:
    return [name for name, ok in outcomes(result).items() if not ok]


def test_the_admin_may_do_all(controller: Controller, kubeconfig: Path, namespace: str) -> None:
    options = {"kubeconfig": str(kubeconfig), "namespace": namespace}
    played = controller.play([{"jobpods.controller.credential_test": options}], "--check")
    result = played.result
    assert (result["failed"], result["changed"], missing(result)) == (False, False, [])
    assert (result["version"][:2], result["namespace"]) == ("v1", namespace)
    assert result["user"] != ""
    for name in outcomes(result):
        assert f"jobpods: {name}: ok: " in played.terminal


def test_a_service_account_with_awxs_role(
    controller: Controller, cluster: Options, account: Callable[[Rules], str], namespace: str
) -> None:
    token = account(AWX_ROLE)
    result = controller.verb("credential_test", **cluster, api_key=token, namespace=namespace)
    assert not result["failed"], result
    assert missing(result) == ["list events", "get secrets", "create secrets", "delete secrets"]
    assert outcomes(result)["namespace"] is True  # which it may not read
    assert result["user"] == f"system:serviceaccount:{namespace}:runner"
    assert result["token_expires"] is not None
    assert token not in json.dumps(result)


def test_a_service_account_that_may_not_attach(
    controller: Controller, cluster: Options, account: Callable[[Rules], str], namespace: str
) -> None:
    token = account([AWX_ROLE[0], ("events", ["list"])])
    played = controller.play(
        [
            {
                "jobpods.controller.credential_test": {**cluster, "api_key": token, "namespace": namespace},
                "ignore_errors": True,
            }
        ]
    )
    result = played.result
    assert result["failed"]
    failed = [check["check"] for check in result["checks"] if check["required"] and not check["ok"]]
    assert failed == ["get pods/attach", "create pods/attach"]
    assert outcomes(result)["list events"] is True
    assert "may not get pods/attach" in result["msg"]
    assert '{apiGroups: [""], resources: [pods/attach], verbs: [get]}' in result["msg"]
    assert "get pods/attach: FAILED: " in played.terminal


def test_a_service_account_in_another_namespace(
    controller: Controller, cluster: Options, account: Callable[[Rules], str]
) -> None:
    result = controller.verb("credential_test", **cluster, api_key=account(AWX_ROLE), namespace="kube-public")
    assert result["failed"]
    assert outcomes(result)["token"] is True
    assert outcomes(result)["namespace"] is None
    assert outcomes(result)["create pods"] is False


def test_a_namespace_that_is_missing(controller: Controller, kubeconfig: Path) -> None:
    result = controller.verb("credential_test", kubeconfig=str(kubeconfig), namespace="no-such-namespace")
    assert result["failed"]
    assert missing(result) == ["namespace"]
    assert '"no-such-namespace" does not exist' in result["msg"]


def test_a_wrong_token(controller: Controller, cluster: Options, namespace: str) -> None:
    result = controller.verb("credential_test", **cluster, api_key="wrong-S3CRET", namespace=namespace)
    assert result["failed"]
    found = outcomes(result)
    assert [found[name] for name in ("address", "tls", "kubernetes", "token")] == [True, True, True, False]
    assert {found[name] for name in list(found)[4:]} == {None}
    assert "401" in result["msg"]
    assert "S3CRET" not in json.dumps(result)


def test_a_wrong_authority(controller: Controller, cluster: Options, namespace: str) -> None:
    host = {"host": cluster["host"], "api_key": "x"}
    result = controller.verb("credential_test", **host, namespace=namespace)
    assert result["failed"]
    assert (outcomes(result)["address"], outcomes(result)["tls"]) == (True, False)
    assert "unknown CA" in result["msg"]


def test_nothing_listens(controller: Controller) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken, but nobody listens
        host = f"https://127.0.0.1:{unused.getsockname()[1]}"
        result = controller.verb("credential_test", host=host, api_key="x")
    assert result["failed"]
    assert outcomes(result)["address"] is False
    assert host in result["msg"]


def test_a_name_that_does_not_resolve(controller: Controller) -> None:
    result = controller.verb("credential_test", host="https://kubernetes.invalid:6443", api_key="x")
    assert (result["failed"], outcomes(result)["address"]) == (True, False)
    assert "kubernetes.invalid" in result["msg"]


def test_a_stored_container_group(
    controller: Controller, cluster: Options, account: Callable[[Rules], str], namespace: str
) -> None:
    inputs = {
        "host": cluster["host"],
        "ssl_ca_cert": cluster["ssl_ca_cert"],
        "bearer_token": account(AWX_ROLE),
    }
    tasks: list[Options] = [
        {
            "jobpods.controller.credential": {
                "name": "cluster",
                "credential_type": "kubernetes_bearer_token",
                "inputs": inputs,
            }
        },
        {
            "jobpods.controller.container_group": {
                "name": "jobs",
                "credential": "cluster",
                "namespace": namespace,
            }
        },
        {"jobpods.controller.credential_test": {"container_group": "jobs"}},
        {"jobpods.controller.credential_test": {"credential": "cluster", "namespace": namespace}},
    ]
    (results,) = controller.play(tasks).results.values()
    for result in results[2:]:
        assert not result["failed"], result
        assert (result["namespace"], result["host"]) == (namespace, cluster["host"])
