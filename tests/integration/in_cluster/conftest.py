# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that start jobs: an image with the collection in it, a service account, OpenShift's constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import GATE, open_gate
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from kubernetes import client

Options = dict[str, Any]
COLLECTION_IMAGE = "localhost/jobpods-ee:latest"
"""The job image with this collection in it (tests/execution_environment.py)."""
ACCOUNT = "container-group"
"""What the module cluster_access calls the service account."""
PLAIN: Options = {}
RESTRICTED: Options = {
    "securityContext": {
        "runAsUser": 1000680000,
        "runAsGroup": 0,
        "fsGroup": 1000680000,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "runner", "emptyDir": {}}],
}
"""The pod that OpenShift makes under `restricted-v2`, and more: its root file system can't be written."""
RESTRICTED_CONTAINER: Options = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "runner", "mountPath": "/runner"}],
}


def override(constraints: Mapping[str, Any], image: str, account: str = "") -> Options:
    """A `pod_spec_override` under these constraints; with an account its token is in the pod."""
    worker = {
        "name": "worker",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        **(RESTRICTED_CONTAINER if constraints else {}),
    }
    spec = {**constraints, "containers": [worker]}
    if account:
        spec.update(serviceAccountName=account, automountServiceAccountToken=True)
    return {"spec": spec}


def phase(pod: client.V1Pod) -> str:
    """The phase of a pod."""
    return str(pod.status and pod.status.phase)


@dataclass(frozen=True)
class Inside:
    """A namespace in which pods may start pods, and what happens in it.

    Attributes:
        namespace: its name.
        constraints: what its pods have to put up with.
        access: what the module cluster_access returned.
    """

    core: client.CoreV1Api
    controller: Controller
    namespace: str
    constraints: Options
    access: Options

    def task(self, **options: Any) -> Options:
        """A task that runs inner.yml in another pod; the controller is the pod that runs the task."""
        group = {"namespace": self.namespace, "pod_spec_override": override(self.constraints, IMAGE)}
        job = {
            "container_group": {**group, "execution_environment": {"image": IMAGE, "pull": "missing"}},
            "project": "./inner",
            "playbook": "inner.yml",
            "inventory": {"all": {"hosts": {"inner": LOCAL}}},
        }
        return {
            "name": "Run a job in another pod",
            "jobpods.controller.container_group_job": {**job, **options},
            "register": "inner",
        }

    def project(self, *tasks: Options) -> Path:
        """A project whose site.yml has these tasks; its inner.yml waits at a gate, then tells what it is."""
        inner: list[Options] = [
            {"name": "Ask who this is", "ansible.builtin.command": "id", "register": "user"},
            {"name": "Wait at the gate", "ansible.builtin.command": WAIT},
            {"name": "Greet", "ansible.builtin.debug": {"msg": "hello from the inner pod"}},
            {"ansible.builtin.set_stats": {"data": {"user": "{{ user.stdout }}"}}},
        ]
        project = self.controller.project(site=tasks)
        self.controller.project("project/inner", inner=inner)
        return project

    def job(self, kubeconfig: Path, *tasks: Options) -> Options:
        """The outer job, launched from a machine outside."""
        return {
            "container_group": {
                "kubeconfig": str(kubeconfig),
                "namespace": self.namespace,
                "pod_spec_override": override(self.constraints, COLLECTION_IMAGE, ACCOUNT),
            },
            "project": str(self.project(*tasks)),
            "playbook": "site.yml",
            "inventory": {"all": {"hosts": {"outer": LOCAL}}},
        }

    def pods(self) -> list[client.V1Pod]:
        """The job pods of the namespace, in the order in which they were made."""
        found = self.core.list_namespaced_pod(
            self.namespace, label_selector="app.kubernetes.io/managed-by=jobpods"
        ).items
        return sorted(found, key=lambda pod: str(pod.metadata and pod.metadata.creation_timestamp))

    def await_inner(self, before: int) -> client.V1Pod:
        """Waits until the pod that was made after so many others has started; returns it."""

        def started() -> bool:
            pods = self.pods()
            return len(pods) > before and phase(pods[before]) == "Running"

        until(started, "the inner pod to start")
        return self.pods()[before]

    def open_gate(self, pod: client.V1Pod) -> None:
        """Lets the playbook in a pod go on."""
        assert pod.metadata
        open_gate(self.core, self.namespace, str(pod.metadata.name))


WAIT = f"python3 -c \"import os, time\nwhile not os.path.exists('{GATE}'): time.sleep(0.1)\""


@pytest.fixture(params=["plain", "restricted"])
def constraints(request: pytest.FixtureRequest) -> Options:
    """What the pods of a test have to put up with."""
    return PLAIN if request.param == "plain" else RESTRICTED


@pytest.fixture
def inside(
    core: client.CoreV1Api, controller: Controller, namespace: str, kubeconfig: Path, constraints: Options
) -> Inside:
    """A namespace with a service account; where constraints are tested, nothing else is admitted there."""
    if constraints:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        core.patch_namespace(namespace, {"metadata": {"labels": labels}})
    access = controller.verb(
        "cluster_access",
        kubeconfig=str(kubeconfig),
        namespace=namespace,
        token="bound",  # noqa: S106 - a kind of token
    )
    assert not access["failed"], access["msg"]
    return Inside(core, controller, namespace, constraints, access)
