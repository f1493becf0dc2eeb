# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server's answers mean; the documents are as Kubernetes 1.34 writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import failure_of
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import (
    status_object,
)

POD = {"name": "automation-job-1-a", "kind": "pods"}
ACCOUNT = "system:serviceaccount:jobs:awx"


def forbidden(why: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    message = f'pods "automation-job-1-a" is forbidden: {why}'
    return status_object(403, message, "Forbidden", POD if details is None else details)


def causes(*fields: str) -> dict[str, Any]:
    found = [{"reason": "FieldValueInvalid", "message": "Invalid value", "field": each} for each in fields]
    return {**POD, "kind": "Pod", "causes": found}


@pytest.mark.parametrize(
    ("code", "body", "verb", "resource", "reason", "words"),
    [
        pytest.param(
            401,
            status_object(401, "Unauthorized", "Unauthorized"),
            "create",
            "pods",
            "Unauthorized",
            "does not accept the connection's token",
            id="wrong token",
        ),
        pytest.param(
            403,
            status_object(
                403,
                f'pods is forbidden: User "{ACCOUNT}" cannot create resource "pods" in API group "" '
                'in the namespace "jobs"',
                "Forbidden",
                {"kind": "pods"},
            ),
            "create",
            "pods",
            "Forbidden",
            f'The user "{ACCOUNT}" may not create pods in the namespace "jobs"',
            id="RBAC",
        ),
        pytest.param(
            403,
            status_object(
                403,
                f'pods "automation-job-1-a" is forbidden: User "{ACCOUNT}" cannot get resource "pods/attach" '
                'in API group "" in the namespace "jobs"',
                "Forbidden",
                POD,
            ),
            "get",
            "pods/attach",
            "AttachForbidden",
            "may not get pods/attach",
            id="RBAC of attach",
        ),
        pytest.param(
            403,
            status_object(403, "pods is forbidden: not today", "Forbidden", {"kind": "pods"}),
            "list",
            "pods",
            "Forbidden",
            'may not list pods in the namespace "jobs"',
            id="another authorizer",
        ),
        pytest.param(
            403,
            forbidden("exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"),
            "create",
            "pods",
            "QuotaExceeded",
            "exceeded quota: small",
            id="quota",
        ),
        pytest.param(
            400,
            status_object(400, 'admission webhook "old.test" does not support dry run', "BadRequest"),
            "create",
            "pods",
            "AdmissionDenied",
            "does not support dry run",
            id="webhook without dry run",
        ),
        pytest.param(
            403,
            forbidden("exceeded quota: small, requested: secrets=1, used: secrets=2, limited: secrets=2"),
            "create",
            "secrets",
            "QuotaExceeded",
            "leaves no room for the secret",
            id="quota for secrets",
        ),
        pytest.param(
            403,
            forbidden("no secrets here, says the admission plugin"),
            "create",
            "secrets",
            "AdmissionDenied",
            "refused the secret",
            id="secret that is not admitted",
        ),
        pytest.param(
            403,
            forbidden("failed quota: compute: must specify limits.cpu for: worker"),
            "create",
            "pods",
            "AdmissionDenied",
            "must specify limits.cpu",
            id="quota that wants limits",
        ),
        pytest.param(
            403,
            forbidden(
                'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
                '(container "worker" must set securityContext.allowPrivilegeEscalation=false)'
            ),
            "create",
            "pods",
            "AdmissionDenied",
            'violates PodSecurity "restricted:latest"',
            id="pod security",
        ),
        pytest.param(
            403,
            forbidden("maximum cpu usage per Container is 100m, but limit is 2"),
            "create",
            "pods",
            "AdmissionDenied",
            "maximum cpu usage",
            id="limit range",
        ),
        pytest.param(
            400,
            status_object(
                400, 'admission webhook "images.example.com" denied the request: not from here', "BadRequest"
            ),
            "create",
            "pods",
            "AdmissionDenied",
            "not from here",
            id="webhook with a status of its own",
        ),
        pytest.param(
            422,
            status_object(
                422,
                "pods \"automation-job-1-a\" is forbidden: ValidatingAdmissionPolicy 'labels' with binding "
                "'all' denied request: no owner",
                "Invalid",
                POD,
            ),
            "create",
            "pods",
            "AdmissionDenied",
            "no owner",
            id="admission policy",
        ),
        pytest.param(
            403,
            forbidden('error looking up service account jobs/runner: serviceaccount "runner" not found'),
            "create",
            "pods",
            "InvalidPodSpec",
            'service account "runner" does not exist',
            id="service account missing",
        ),
        pytest.param(
            403,
            forbidden(
                "unable to create new content in namespace jobs because it is being terminated",
                {**POD, "causes": [{"reason": "NamespaceTerminating", "message": "being terminated"}]},
            ),
            "create",
            "pods",
            "NamespaceNotFound",
            '"jobs" is being deleted',
            id="namespace going",
        ),
        pytest.param(
            404,
            status_object(
                404, 'namespaces "jobs" not found', "NotFound", {"name": "jobs", "kind": "namespaces"}
            ),
            "create",
            "pods",
            "NamespaceNotFound",
            'namespace "jobs" does not exist',
            id="namespace missing",
        ),
        pytest.param(
            422,
            status_object(
                422,
                'Pod "automation-job-1-a" is invalid: spec.containers[0].image: Required value',
                "Invalid",
                causes("spec.containers[0].image"),
            ),
            "create",
            "pods",
            "InvalidPodSpec",
            "spec.containers[0].image: Required value",
            id="invalid field",
        ),
        pytest.param(
            400,
            status_object(
                400,
                'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go '
                "struct field Container.spec.containers.ports of type []v1.ContainerPort",
                "BadRequest",
            ),
            "create",
            "pods",
            "InvalidPodSpec",
            "cannot be handled as a Pod",
            id="field of a wrong type",
        ),
        pytest.param(
            429,
            status_object(429, "too many requests, please try again later", "TooManyRequests"),
            "get",
            "pods",
            "APIServerError",
            "answered get pods with 429",
            id="too many requests",
        ),
        pytest.param(
            503,
            "<html>no server is available</html>",
            "get",
            "pods",
            "APIServerError",
            "503",
            id="load balancer",
        ),
        pytest.param(
            404,
            "<html>nothing here</html>",
            "get",
            "pods",
            "NotKubernetes",
            '404 with "<html>',
            id="web server",
        ),
        pytest.param(302, "", "get", "pods", "NotKubernetes", "302 with an empty body", id="redirect"),
        pytest.param(
            403, "go away", "get", "pods", "NotKubernetes", '403 with "go away"', id="web server's 403"
        ),
        pytest.param(
            405,
            status_object(405, "the server does not allow this method", "MethodNotAllowed"),
            "delete",
            "pods",
            "APIServerError",
            "405",
            id="anything else",
        ),
    ],
)
def test_reason_and_words(
    code: int, body: dict[str, Any] | str, verb: str, resource: str, reason: str, words: str
) -> None:
    content = json.dumps(body) if isinstance(body, dict) else body
    failure = failure_of(code, content.encode(), verb, resource, "jobs", host="https://k8s.test:6443")
    assert failure.reason == reason
    assert words in failure.message
    assert failure.http_status == code
    expected = body["message"] if isinstance(body, dict) else body
    assert failure.traceback == expected


def test_details_name_verb_resource_and_user() -> None:
    message = (
        'pods is forbidden: User "bob" cannot list resource "events" in API group "" in the namespace "jobs"'
    )
    failure = failure_of(403, status_object(403, message, "Forbidden"), "list", "events", "jobs")
    assert failure.details == {"verb": "list", "resource": "events", "namespace": "jobs", "user": "bob"}


def test_cluster_scope_is_told() -> None:
    message = 'User "bob" cannot list resource "namespaces" in API group "" at the cluster scope'
    failure = failure_of(403, status_object(403, message, "Forbidden"), "list", "namespaces", None)
    assert 'The user "bob" may not list namespaces in the whole cluster' in failure.message


@pytest.mark.parametrize(
    ("message", "details", "fields"),
    [
        pytest.param("Pod is invalid", causes("spec.a", "spec.b"), ["spec.a", "spec.b"], id="causes"),
        pytest.param(
            "json: cannot unmarshal string into Go struct field PodSpec.spec.nodeSelector of type map",
            {},
            ["spec.nodeSelector"],
            id="type",
        ),
        pytest.param('strict decoding error: unknown field "spec.foo"', {}, ["spec.foo"], id="unknown"),
    ],
)
def test_invalid_spec_names_fields(message: str, details: dict[str, Any], fields: list[str]) -> None:
    failure = failure_of(422, status_object(422, message, "Invalid", details), "create", "pods", "jobs")
    assert failure.details["fields"] == fields


def test_long_answers_are_cut() -> None:
    assert len(failure_of(500, b"x" * 100_000, "get", "pods", "jobs").traceback) == 4096
