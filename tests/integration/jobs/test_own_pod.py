# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that runs in a pod of the cluster: the pods of its attached jobs go with its own.

The tests run in no pod. So the code gets what Kubernetes gives to a process in one: the files of a service
account, the address of the API server, and the name of a real pod as that of its host.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import resolve_connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.own_pod import owner_reference
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    ExecutionEnvironment,
    PodIdentity,
    pod_manifest,
)
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE
from ansible_collections.jobpods.controller.tests.integration.playbooks import until
from kubernetes import client

CONTROLLER = "controller-0"


@pytest.fixture
def own_pod(core: client.CoreV1Api, namespace: str) -> str:
    """A pod that passes for the controller's own; returns its UID."""
    container = client.V1Container(name="pause", image="localhost/pause:1", image_pull_policy="Never")
    pod = client.V1Pod(
        metadata=client.V1ObjectMeta(name=CONTROLLER),
        spec=client.V1PodSpec(containers=[container], automount_service_account_token=False),
    )
    made = core.create_namespaced_pod(namespace, pod)
    assert made.metadata
    return str(made.metadata.uid)


@pytest.fixture
def service_account(core: client.CoreV1Api, kubeconfig: Path, namespace: str, tmp_path: Path) -> Path:
    """The files of a service account that may do all in its namespace."""
    rbac = client.RbacAuthorizationV1Api(core.api_client)
    subject = client.RbacV1Subject(kind="ServiceAccount", name="default", namespace=namespace)
    role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="admin")
    metadata = client.V1ObjectMeta(name="controller")
    rbac.create_namespaced_role_binding(
        namespace, client.V1RoleBinding(metadata=metadata, role_ref=role, subjects=[subject])
    )
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    answer = core.create_namespaced_service_account_token("default", namespace, request)
    assert answer.status
    cluster = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text(str(answer.status.token))
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (folder / "namespace").write_text(namespace)
    return folder


async def created(service_account: Path, kubeconfig: Path, namespace: str) -> dict[str, Any]:
    """Makes a job's pod as a controller in a pod does; returns it."""
    server = urlsplit(json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
    environ = {
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
    }
    home = service_account.parent
    connection = resolve_connection({}, environ, home, service_account=service_account)
    async with ClusterClient(connection, environ=environ) as cluster:
        owner = None
        while owner is None:
            try:
                owner = await owner_reference(cluster, namespace, CONTROLLER, service_account=service_account)
            except Failure as failure:  # the API server does not know the new role for a moment
                assert failure.reason == "Forbidden"
                await asyncio.sleep(0.1)
        manifest = pod_manifest(
            PodIdentity(1, "0" * 32, 1, CONTROLLER),
            namespace=namespace,
            override={},
            execution_environment=ExecutionEnvironment(IMAGE, "missing"),
            supervisor_config={"controller_lost_timeout": None},
            active_deadline=None,
            owner=owner,
        )
        return await cluster.create_pod(manifest)


def test_pod_of_an_attached_job_goes_with_the_controller_s(
    core: client.CoreV1Api, own_pod: str, service_account: Path, kubeconfig: Path, namespace: str
) -> None:
    made = asyncio.run(created(service_account, kubeconfig, namespace))
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"]) == (CONTROLLER, own_pod)
    core.delete_namespaced_pod(CONTROLLER, namespace, grace_period_seconds=0)

    def left() -> list[Any]:
        return list(core.list_namespaced_pod(namespace).items)

    until(lambda: not left(), "Kubernetes to delete the job's pod")
