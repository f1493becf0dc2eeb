# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server is killed for a minute, and comes back knowing only the tokens that jobs got meanwhile."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.chaos.connection.numbered import (
    AGAIN,
    NumberedJobs,
    Numbers,
)
from ansible_collections.jobpods.controller.tests.integration.conftest import LocalCluster
from ansible_collections.jobpods.controller.tests.integration.playbooks import until
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import make_program
from kubernetes import client

Options = dict[str, Any]
OUTAGE = 60.0
PACE = 0.5
ENDS_MEANWHILE = Numbers(lines=60)
GOES_ON = Numbers(lines=160)
ACCOUNT = "runner"
RBAC = "rbac.authorization.k8s.io"


@dataclass
class Tokens:
    """Tokens of one service account, of which each can be made invalid."""

    core: client.CoreV1Api
    namespace: str

    def make(self, name: str) -> str:
        """A token that is good as long as the secret of this name is there."""
        metadata = client.V1ObjectMeta(name=name)
        secret = self.core.create_namespaced_secret(self.namespace, client.V1Secret(metadata=metadata))
        assert secret.metadata is not None
        bound = client.V1BoundObjectReference(
            api_version="v1", kind="Secret", name=name, uid=secret.metadata.uid
        )
        spec = client.V1TokenRequestSpec(audiences=["https://kubernetes.default.svc"], bound_object_ref=bound)
        answer = self.core.create_namespaced_service_account_token(
            ACCOUNT, self.namespace, client.AuthenticationV1TokenRequest(spec=spec)
        )
        assert answer.status is not None
        return str(answer.status.token)

    def revoke(self, name: str) -> None:
        """Makes the token of this name invalid."""
        self.core.delete_namespaced_secret(name, self.namespace)

    def answer(self, api_server: str, token: str) -> int:
        """The HTTP status that the API server answers a token with; 0 where it does not answer."""
        request = urllib.request.Request(  # noqa: S310  # our own https URL
            f"https://{api_server}/api/v1/namespaces/{self.namespace}/pods",
            headers={"Authorization": f"Bearer {token}"},
        )
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


@pytest.fixture
def tokens(core: client.CoreV1Api, namespace: str) -> Tokens:
    """Tokens of a service account that may run jobs."""
    metadata = client.V1ObjectMeta(name=ACCOUNT)
    core.create_namespaced_service_account(namespace, client.V1ServiceAccount(metadata=metadata))
    client.RbacAuthorizationV1Api(core.api_client).create_namespaced_role_binding(
        namespace,
        client.V1RoleBinding(
            metadata=metadata,
            role_ref=client.V1RoleRef(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="admin"
            ),
            subjects=[client.RbacV1Subject(kind="ServiceAccount", name=ACCOUNT, namespace=namespace)],
        ),
    )
    return Tokens(core, namespace)


def by_plugin(folder: Path, jobs: NumberedJobs) -> tuple[Options, Callable[[str], None]]:
    """A connection whose token an exec plugin gives, and how to change it."""
    credential = folder / "credential.json"
    plugin = make_program(folder / "login", f"exec cat '{credential}'")
    version = "client.authentication.k8s.io/v1"

    def write(token: str) -> None:
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}}
        credential.write_text(json.dumps(answer), encoding="ascii")

    exec_plugin = {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}
    return jobs.connection("exec", user={"exec": exec_plugin}), write


def by_file(folder: Path, jobs: NumberedJobs) -> tuple[Options, Callable[[str], None]]:
    """A connection whose token is in a file, and how to change it."""
    path = folder / "token"
    return jobs.connection("file", user={"tokenFile": str(path)}), lambda token: void(path.write_text(token))


def by_kubeconfig(_folder: Path, jobs: NumberedJobs) -> tuple[Options, Callable[[str], None]]:
    """A connection whose token is in the kubeconfig, and how to change it."""
    group = jobs.connection("inline", user={"token": "none yet"})
    return group, lambda token: void(jobs.connection("inline", user={"token": token}))


def void(_value: object) -> None:
    """Drops a value."""


def test_it_is_killed_for_a_minute_and_tokens_change(
    jobs: NumberedJobs, local_cluster: LocalCluster, tokens: Tokens, tmp_path: Path, api_server: str
) -> None:
    old, new = tokens.make("old"), tokens.make("new")
    connections = [make(tmp_path, jobs) for make in (by_plugin, by_file, by_kubeconfig)]
    for _group, write in connections:
        write(old)
    until(lambda: tokens.answer(api_server, old) == 200, "the token to be good")
    with_token = [jobs.start(GOES_ON, group, pace=PACE) for group, _write in connections]
    plain = jobs.start(GOES_ON, pace=PACE)
    ending = jobs.start(ENDS_MEANWHILE, pace=PACE)
    for job in (*with_token, plain, ending):
        job.await_line(3)
    jobs.await_plain_ones()
    for _group, write in connections:
        write(new)
    tokens.revoke("old")
    with local_cluster.without_api_server():
        began = datetime.now(timezone.utc)
        time.sleep(OUTAGE)
        over = datetime.now(timezone.utc)
        assert f"(item={ENDS_MEANWHILE.lines - 1})" not in ending.terminal
    until(lambda: tokens.answer(api_server, new) == 200, "the new token to be good")
    assert tokens.answer(api_server, old) == 401
    for job in with_token:
        jobs.check(job, GOES_ON)
        assert AGAIN in job.terminal
    jobs.check(plain, GOES_ON)
    jobs.check(ending, ENDS_MEANWHILE)
    assert began < ending.printed_last_at < over
