# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the integration tests: the real cluster, a fresh namespace, a user's machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.job_process import ENTRY
from ansible_collections.jobpods.controller.tests.api_proxy import ApiProxy
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, until
from ansible_collections.jobpods.controller.tests.integration.registry import running_registry
from ansible_collections.jobpods.controller.tests.postgresql import PostgreSQL
from kubernetes import client, config

IMAGE = "localhost/jobpods-job:latest"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
"""Variables of a host that is the pod itself."""
DATABASE = "JOBPODS_DATABASE_URL"


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The admin's kubeconfig of the test cluster."""
    path = os.environ.get("JOBPODS_TEST_KUBECONFIG")
    if not path:
        pytest.fail("JOBPODS_TEST_KUBECONFIG is not set; run the tests with: make test")
    return Path(path).resolve()


class LocalCluster:
    """The test cluster's own program, for what can't be done through its API."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str) -> str:
        """Runs one of its verbs; returns what it printed."""
        done = self._call(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        places = ["--root", str(self.root), "--cache", str(self.root.parent / "cache" / "cluster")]
        program = Path(__file__).parents[2] / "roles/local_cluster/files/local_cluster.py"
        command = [sys.executable, str(program), *places, *arguments]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )

    def runs(self, component: str) -> bool:
        """Whether one of its daemons runs."""
        lines = self._call("status").stdout.splitlines()
        return any(line.split()[0] == component and "runs as process" in line for line in lines)

    @contextmanager
    def without_api_server(self) -> Iterator[None]:
        """The API server is killed for as long as the block lasts."""
        self.run("stop", "kube-apiserver")
        try:
            yield
        finally:
            self.run("start", "kube-apiserver")
            # These find out by themselves that it is back, but only after half a minute.
            for component in ("kube-controller-manager", "kube-scheduler"):
                self.run("stop", component)
                self.run("start", component)


@pytest.fixture(scope="session")
def local_cluster(kubeconfig: Path) -> LocalCluster:
    """The program that runs the test cluster."""
    return LocalCluster(kubeconfig.parent)


@pytest.fixture(scope="session")
def local(kubeconfig: Path) -> Path:
    """The folder of all that was made for the tests; `cache` in it is kept from run to run."""
    return kubeconfig.parents[1]


@pytest.fixture(scope="session")
def registry(local: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty container registry."""
    with running_registry(local / "cache" / "debian", tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="session")
def core(kubeconfig: Path) -> Iterator[client.CoreV1Api]:
    """The cluster's core API, as its admin."""
    connection = config.new_client_from_config(config_file=str(kubeconfig))  # type: ignore[no-untyped-call]
    yield client.CoreV1Api(connection)
    connection.close()
    connection.rest_client.pool_manager.clear()  # which it leaves open: a warning, whenever that is noticed


@pytest.fixture(scope="session")
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for temporary files of all that the tests start; nobody else's are in it."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)  # so that this process looks at TMPDIR again
        yield folder


@pytest.fixture(scope="session", autouse=True)
def nothing_left(core: client.CoreV1Api, temporary_files: Path) -> Iterator[None]:
    """After all tests no job pod is left in any namespace, no job process, and no temporary file."""
    yield
    until(lambda: not _left(core, temporary_files), "nothing to be left", limit=60)


def _left(core: client.CoreV1Api, temporary_files: Path) -> list[str]:
    pods = core.list_pod_for_all_namespaces(label_selector="app.kubernetes.io/managed-by=jobpods").items
    left = [f"pod {pod.metadata.name}" for pod in pods if pod.metadata]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if not {os.fsencode(ENTRY), os.fsencode(ENTRY.resolve())}.isdisjoint(words):
                left.append(f"process {process.name}")
    return left + [str(path) for path in temporary_files.glob("*jobpods*")]


@pytest.fixture
def namespace(core: client.CoreV1Api) -> Iterator[str]:
    """A fresh namespace, in which no job pod may be left at the end."""
    name = f"test-{uuid4().hex[:8]}"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    await_service_account(core, name)
    yield name
    left = job_pods(core, name)
    core.delete_namespace(name)
    assert not left, f"pods were left behind: {left}"


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    """A user's machine."""
    return Controller(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def controllers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Controller]:
    """A user's machine with its store on each of the databases."""
    if request.param == "sqlite":
        yield Controller(tmp_path)
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    with server.database() as url:
        controller = Controller(tmp_path, {DATABASE: url})
        yield controller
        until(lambda: not controller.processes(), "all to have left the database")


@pytest.fixture
def group(kubeconfig: Path, namespace: str) -> dict[str, Any]:
    """A container group on the test cluster."""
    return {
        "kubeconfig": str(kubeconfig),
        "namespace": namespace,
        "execution_environment": {"image": IMAGE, "pull": "missing"},
    }


@pytest.fixture
def proxy(
    kubeconfig: Path, core: client.CoreV1Api, namespace: str, tmp_path: Path
) -> Iterator[tuple[ApiProxy, dict[str, Any]]]:
    """A proxy that counts, and the options of a container group that takes the way through it."""
    connection = config.new_client_from_config(config_file=str(kubeconfig))  # type: ignore[no-untyped-call]
    access = client.RbacAuthorizationV1Api(connection)
    subject = client.RbacV1Subject(kind="ServiceAccount", name="default", namespace=namespace)
    role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="admin")
    access.create_namespaced_role_binding(
        namespace,
        client.V1RoleBinding(metadata=client.V1ObjectMeta(name="jobs"), subjects=[subject], role_ref=role),
    )
    connection.close()
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    answer = core.create_namespaced_service_account_token("default", namespace, request)
    assert answer.status
    with ApiProxy(kubeconfig, tmp_path / "certificate").running() as running:
        path = running.kubeconfig(tmp_path / "proxied", str(answer.status.token), namespace)
        yield running, {"kubeconfig": str(path)}


@pytest.fixture
def job(controller: Controller, group: dict[str, Any]) -> dict[str, Any]:
    """The options of a job that greets from its pod; tests replace what they are about."""
    project = controller.project(
        site=[{"name": "Greet", "ansible.builtin.debug": {"msg": "hello from the pod"}}]
    )
    return {
        "container_group": group,
        "project": str(project),
        "playbook": "site.yml",
        "inventory": {"all": {"hosts": {"here": LOCAL}}},
    }


def await_service_account(core: client.CoreV1Api, namespace: str) -> None:
    """A new namespace takes pods only when its default service account is there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            core.read_namespaced_service_account("default", namespace)
            return
        except client.ApiException as exc:
            assert exc.status == 404
            assert time.monotonic() < deadline, f"namespace {namespace} got no service account"
        time.sleep(0.05)


def job_pods(core: client.CoreV1Api, namespace: str) -> list[str]:
    """Names of the job pods in a namespace, after a moment in which a job process may still delete one."""
    deadline = time.monotonic() + 30
    while True:
        pods = core.list_namespaced_pod(
            namespace, label_selector="app.kubernetes.io/managed-by=jobpods"
        ).items
        if not pods or time.monotonic() > deadline:
            return [str(pod.metadata.name) for pod in pods if pod.metadata]
        time.sleep(0.2)


def set_quota(core: client.CoreV1Api, namespace: str, name: str, pods: int) -> None:
    """Lets a namespace have so many pods."""
    spec = client.V1ResourceQuotaSpec(hard={"pods": str(pods)})
    quota = client.V1ResourceQuota(metadata=client.V1ObjectMeta(name=name), spec=spec)
    core.create_namespaced_resource_quota(namespace, quota)

    def counts() -> bool:
        status = core.read_namespaced_resource_quota(name, namespace).status
        return bool(status and status.used)

    until(counts, "the quota to count")
