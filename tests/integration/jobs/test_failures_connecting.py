# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which the cluster can't be reached or doesn't let us in, caused for real."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from kubernetes import client

Options = dict[str, Any]


@pytest.fixture
def admin(kubeconfig: Path) -> dict[str, Any]:
    """The admin's kubeconfig as a mapping, for tests to spoil."""
    loaded: dict[str, Any] = json.loads(kubeconfig.read_text())
    return loaded


@pytest.fixture
def token(core: client.CoreV1Api, namespace: str) -> str:
    """A token of a service account that may do nothing."""
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    answer = core.create_namespaced_service_account_token("default", namespace, request)
    assert answer.status
    return str(answer.status.token)


@pytest.fixture
def web_server() -> Iterator[str]:
    """A web server that is no Kubernetes."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def failure_of(controller: Controller, job: Options, group: Options, **environ: str) -> dict[str, Any]:
    """The failure of a job that could not be started; checks what all of them share."""
    group = {**group, "namespace": job["container_group"]["namespace"]}
    result = controller.verb("container_group_job", environ=environ, **{**job, "container_group": group})
    facts = result["job"]
    assert (result["failed"], result["changed"], facts["status"]) == (True, False, "error"), result
    assert facts["failure"]["reason"] in result["msg"]
    assert facts["failure"]["hint"] in result["msg"]
    assert facts["job_explanation"] == facts["failure"]["message"]
    assert facts["event_count"] == 0
    failure: dict[str, Any] = facts["failure"]
    return failure


def server_of(admin: dict[str, Any]) -> str:
    return str(admin["clusters"][0]["cluster"]["server"])


def authority_of(admin: dict[str, Any]) -> str:
    return base64.b64decode(admin["clusters"][0]["cluster"]["certificate-authority-data"]).decode()


def test_a_wrong_token(controller: Controller, job: Options, admin: dict[str, Any]) -> None:
    group = {"host": server_of(admin), "api_key": "wrong-S3CRET", "ssl_ca_cert": authority_of(admin)}
    failure = failure_of(controller, job, group)
    assert (failure["reason"], failure["http_status"]) == ("Unauthorized", 401)
    assert "401" in failure["message"]
    assert "S3CRET" not in json.dumps(failure)


def test_a_token_without_permission(
    controller: Controller, job: Options, admin: dict[str, Any], token: str, namespace: str
) -> None:
    group = {"host": server_of(admin), "api_key": token, "ssl_ca_cert": authority_of(admin)}
    failure = failure_of(controller, job, group)
    assert (failure["reason"], failure["http_status"]) == ("Forbidden", 403)
    assert failure["details"]["verb"] == "create"
    assert failure["details"]["resource"] == "pods"
    assert f"system:serviceaccount:{namespace}:default" in failure["message"]
    assert token not in json.dumps(failure)


def test_a_wrong_authority(
    controller: Controller, job: Options, admin: dict[str, Any], tmp_path: Path
) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
    ]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "other.crt")]
    subprocess.run([*command, "/CN=other", *files], check=True, capture_output=True)
    group = {"host": server_of(admin), "api_key": "x", "ssl_ca_cert": str(tmp_path / "other.crt")}
    failure = failure_of(controller, job, group)
    assert failure["reason"] == "TLSVerification"
    assert not failure["retryable"]


def test_a_host_name_that_is_not_in_the_certificate(
    controller: Controller, job: Options, admin: dict[str, Any]
) -> None:
    other = server_of(admin).replace("127.0.0.1", "127.0.0.2")
    group = {"host": other, "api_key": "x", "ssl_ca_cert": authority_of(admin)}
    failure = failure_of(controller, job, group)
    assert failure["reason"] == "TLSVerification"
    assert "127.0.0.2" in failure["message"]


@pytest.mark.parametrize(
    "text", ["-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n", "/does/not/exist.crt"]
)
def test_an_authority_that_cannot_be_read(
    controller: Controller, job: Options, admin: dict[str, Any], text: str
) -> None:
    group = {"host": server_of(admin), "api_key": "x", "ssl_ca_cert": text}
    failure = failure_of(controller, job, group)
    assert failure["reason"] == "TLSVerification"
    assert "ssl_ca_cert" in failure["message"]


def test_nothing_listens(controller: Controller, job: Options) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken, but nobody listens
        port = unused.getsockname()[1]
        failure = failure_of(controller, job, {"host": f"https://127.0.0.1:{port}", "api_key": "x"})
    assert failure["reason"] == "ConnectionRefused"
    assert failure["retryable"]
    assert f"127.0.0.1:{port}" in failure["message"]


def test_a_name_that_does_not_resolve(controller: Controller, job: Options) -> None:
    failure = failure_of(controller, job, {"host": "https://kubernetes.invalid:6443", "api_key": "x"})
    assert failure["reason"] == "NameResolution"
    assert "kubernetes.invalid" in failure["message"]


def test_an_address_that_swallows_packets(controller: Controller, job: Options) -> None:
    with socket.socket() as silent:  # takes no connection: its queue is full
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        address = silent.getsockname()
        fillers = [socket.socket() for _number in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        failure = failure_of(controller, job, {"host": f"https://127.0.0.1:{address[1]}", "api_key": "x"})
        for filler in fillers:
            filler.close()
    assert failure["reason"] == "ConnectionTimeout"
    assert failure["retryable"]
    assert f"127.0.0.1:{address[1]}" in failure["message"]


def test_a_server_that_is_no_kubernetes(controller: Controller, job: Options, web_server: str) -> None:
    failure = failure_of(controller, job, {"host": web_server, "api_key": "x"})
    assert failure["reason"] == "NotKubernetes"
    assert web_server.removeprefix("http://") in failure["message"]


def test_a_namespace_that_is_missing(controller: Controller, job: Options, kubeconfig: Path) -> None:
    job["container_group"] = {**job["container_group"], "namespace": "no-such-namespace"}
    failure = failure_of(controller, job, job["container_group"])
    assert (failure["reason"], failure["http_status"]) == ("NamespaceNotFound", 404)
    assert "no-such-namespace" in failure["message"]


def test_no_connection_given_at_all(controller: Controller, job: Options) -> None:
    failure = failure_of(controller, job, {})
    assert failure["reason"] == "InvalidConfiguration"
    for way in ("kubeconfig", "K8S_AUTH_KUBECONFIG", "KUBECONFIG", "/.kube/config", "service account"):
        assert way in failure["message"], failure["message"]
