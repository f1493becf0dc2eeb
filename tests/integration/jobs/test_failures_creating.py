# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which the cluster refuses a pod or its attach, caused for real."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import (
    IMAGE,
    await_service_account,
    job_pods,
    set_quota,
)
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]

PATIENCE = 3
"""Seconds of the limits that are waited for."""


RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the pod security standard of this name asks of a container."""
Labels = dict[str, str]


@pytest.fixture
def another(core: client.CoreV1Api) -> Iterator[Callable[[Labels], str]]:
    """Makes further namespaces, with labels."""
    made = []

    def make(labels: Labels) -> str:
        name = f"test-{uuid4().hex[:8]}"
        core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels=labels)))
        made.append(name)
        await_service_account(core, name)
        return name

    yield make
    left = [pod for name in made for pod in job_pods(core, name)]
    for name in made:
        core.delete_namespace(name)
    assert left == []


@pytest.fixture
def restricted(another: Callable[[Labels], str]) -> str:
    """A namespace that takes only what the pod security standard "restricted" allows."""
    return another({"pod-security.kubernetes.io/enforce": "restricted"})


@pytest.fixture
def broken(core: client.CoreV1Api, another: Callable[[Labels], str]) -> Iterator[str]:
    """A namespace with an admission webhook that nobody answers, so that the API server fails for pods."""
    namespace = another({})
    hooks = client.AdmissionregistrationV1Api(core.api_client)
    name = f"{namespace}.example.com"
    rule = client.V1RuleWithOperations(
        api_groups=[""], api_versions=["v1"], operations=["CREATE"], resources=["pods"]
    )
    hook = client.V1ValidatingWebhook(
        name=name,
        admission_review_versions=["v1"],
        client_config=client.AdmissionregistrationV1WebhookClientConfig(url="https://127.0.0.1:1/"),
        failure_policy="Fail",
        namespace_selector=client.V1LabelSelector(match_labels={"kubernetes.io/metadata.name": namespace}),
        rules=[rule],
        side_effects="None",
    )
    hooks.create_validating_webhook_configuration(
        client.V1ValidatingWebhookConfiguration(metadata=client.V1ObjectMeta(name=name), webhooks=[hook])
    )
    try:
        until(lambda: not takes_pods(core, namespace), "the webhook to count")
        yield namespace
    finally:
        hooks.delete_validating_webhook_configuration(name)


def takes_pods(core: client.CoreV1Api, namespace: str) -> bool:
    """Whether a pod can be made, as far as the API server can tell."""
    spec = client.V1PodSpec(containers=[client.V1Container(name="any", image="any")])
    pod = client.V1Pod(metadata=client.V1ObjectMeta(name="any"), spec=spec)
    try:
        core.create_namespaced_pod(namespace, pod, dry_run="All")
    except client.ApiException as exc:
        assert exc.status == 500
        return False
    return True


@pytest.fixture
def no_attach(core: client.CoreV1Api, kubeconfig: Path, namespace: str, tmp_path: Path) -> Path:
    """The kubeconfig of a user that may do with pods all that jobs need, but not attach to them."""
    rbac = client.RbacAuthorizationV1Api(core.api_client)
    verbs = ["create", "get", "list", "watch", "delete"]
    rules = [client.V1PolicyRule(api_groups=[""], resources=["pods"], verbs=verbs)]
    metadata = client.V1ObjectMeta(name="no-attach")
    rbac.create_namespaced_role(namespace, client.V1Role(metadata=metadata, rules=rules))
    subject = client.RbacV1Subject(kind="ServiceAccount", name="default", namespace=namespace)
    role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="no-attach")
    binding = client.V1RoleBinding(metadata=metadata, subjects=[subject], role_ref=role)
    rbac.create_namespaced_role_binding(namespace, binding)
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    answer = core.create_namespaced_service_account_token("default", namespace, request)
    assert answer.status
    config = json.loads(kubeconfig.read_text())
    config["users"] = [{**config["users"][0], "user": {"token": answer.status.token}}]
    path = tmp_path / "no-attach.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_pods_that_are_refused(
    controller: Controller,
    job: Options,
    core: client.CoreV1Api,
    another: Callable[[Labels], str],
    restricted: str,
    broken: str,
    no_attach: Path,
) -> None:
    full = another({})
    set_quota(core, full, "no-pods", 0)
    group = job["container_group"]
    groups: dict[str, Options] = {
        "restricted": {**group, "namespace": restricted},
        "broken": {**group, "namespace": broken, "cluster_outage_timeout": PATIENCE},
        "full": {**group, "namespace": full, "pod_pending_timeout": PATIENCE},
        "no-attach": {**group, "kubeconfig": str(no_attach)},
    }
    careful = {"spec": {"containers": [{"name": "worker", "image": IMAGE, "securityContext": RESTRICTED}]}}
    groups["allowed"] = {**groups["restricted"], "pod_spec_override": careful}
    jobs = {name: {**job, "container_group": options} for name, options in groups.items()}
    played = controller.side_by_side(jobs)
    (allowed,) = played.results.pop("allowed")
    assert allowed["job"]["status"] == "successful", allowed["msg"]
    failures = {}
    for name, (result,) in played.results.items():
        failures[name] = failure = result["job"]["failure"]
        assert result["job"]["status"] == "error", result["msg"]
        assert failure["reason"] in result["msg"]
        assert failure["hint"] in result["msg"]
        assert result["job"]["result_traceback"]
    reasons = {name: (failure["reason"], failure["http_status"]) for name, failure in failures.items()}
    assert reasons == {
        "restricted": ("AdmissionDenied", 403),
        "broken": ("APIServerError", 500),
        "full": ("QuotaExceeded", 403),
        "no-attach": ("AttachForbidden", 403),
    }
    assert {name for name, failure in failures.items() if failure["retryable"]} == {"broken", "full"}
    assert 'violates PodSecurity "restricted' in failures["restricted"]["message"]
    assert "cluster_outage_timeout" in failures["broken"]["message"]
    assert "exceeded quota: no-pods" in failures["full"]["message"]
    assert "pod_pending_timeout" in failures["full"]["message"]
    assert "pods/attach" in failures["no-attach"]["message"]
    terminal = " ".join(played.terminal.split())
    assert f"the pod can't be made now, which is tried for {PATIENCE} s: " in terminal
    assert "failed calling webhook" in terminal
    assert "waiting for quota: " in terminal
