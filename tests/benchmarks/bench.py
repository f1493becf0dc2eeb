# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks share: the cluster, a namespace, folders, the time that is left, and what is told."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from ansible_collections.jobpods.controller.tests.api_proxy import ApiProxy
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Sample
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller
from kubernetes import client, config

IMAGE = "localhost/jobpods-job:latest"
POD_RULES = [
    client.V1PolicyRule(
        api_groups=[""], resources=["pods"], verbs=["create", "get", "list", "watch", "delete", "patch"]
    ),
    client.V1PolicyRule(api_groups=[""], resources=["pods/attach"], verbs=["get", "create"]),
    client.V1PolicyRule(api_groups=[""], resources=["pods/log", "events"], verbs=["get", "list", "watch"]),
]
"""What AWX's documentation gives its service account, and what receptor and kubectl need beyond it."""
WAIT = 120.0

Samples = dict[str, list[Sample]]
Contender = Callable[[], Sample]


@dataclass
class Bench:
    """The place and the means of a run of the benchmarks.

    Attributes:
        kubeconfig: the admin's, of the cluster.
        core: its core API.
        namespace: a fresh one.
        folder: for everything that is gone afterwards.
        cache: for what is kept from run to run.
        quick: small numbers, to see that all works.
        deadline: `time.monotonic()` by which all shall be done.
        environ: of what is started: nothing of the caller's but what finds the programs.
    """

    kubeconfig: Path
    core: client.CoreV1Api
    namespace: str
    folder: Path
    cache: Path
    quick: bool
    deadline: float
    environ: dict[str, str] = field(default_factory=dict)

    def some(self, full: int, quick: int) -> int:
        """One number for a full run, and another one for a quick one."""
        return quick if self.quick else full

    def tell(self, text: str) -> None:
        """Says how far it is."""
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stderr.flush()

    def controller(self, name: str = "") -> Controller:
        """A fresh user's machine."""
        return Controller(self.folder / (name or f"controller-{uuid4().hex[:8]}"))

    def side_by_side(self, contenders: Mapping[str, Contender], rounds: int, budget: float) -> Samples:
        """Runs each contender once in each round, every second round in the opposite order.

        Args:
            contenders: by name.
            rounds: how many, at most.
            budget: seconds; no round begins that would probably end after them. The first one always does.
        """
        samples: Samples = {name: [] for name in contenders}
        began = time.monotonic()
        for number in range(rounds):
            names = list(contenders)[:: 1 if number % 2 == 0 else -1]
            for name in names:
                samples[name].append(self.one(name, contenders[name]))
            now = time.monotonic()
            spent = now - began
            next_one = spent / (number + 1)
            if spent + next_one > budget or now + next_one > self.deadline:
                break
        return samples

    def one(self, name: str, contender: Contender) -> Sample:
        """Runs a contender; whatever goes wrong is part of the sample."""
        began = time.monotonic()
        try:
            sample = contender()
        except Exception as exc:
            sample = Sample(time.monotonic() - began, ok=False, words=f"{type(exc).__name__}: {exc}"[:500])
        first = "" if sample.first is None else f", first output {sample.first:.2f}"
        end = "" if sample.ok else f" FAILED: {sample.words[:200]}"
        self.tell(f"    {name}: {sample.final:.2f} s{first}, cpu {sample.cpu:.2f}{end}")
        return sample

    def at_once(self, contenders: Mapping[str, Contender]) -> dict[str, Sample]:
        """Runs contenders at the same time: for work that is mostly waiting."""
        found: dict[str, Sample] = {}

        def run(name: str, contender: Contender) -> None:
            found[name] = self.one(name, contender)

        threads = [threading.Thread(target=run, args=item) for item in contenders.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {name: found[name] for name in contenders}

    # -- the cluster --

    def pods(self) -> list[str]:
        """Names of the namespace's pods."""
        return [
            str(pod.metadata.name)
            for pod in self.core.list_namespaced_pod(self.namespace).items
            if pod.metadata is not None
        ]

    def await_no_pods(self, limit: float = WAIT) -> float:
        """Waits until no pod is left; returns the moment, as `time.monotonic()` has it.

        Raises:
            TimeoutError: some are.
        """
        deadline = time.monotonic() + limit
        while left := self.pods():
            if time.monotonic() > deadline:
                raise TimeoutError(f"pods are left: {', '.join(left)}")
            time.sleep(0.01)
        return time.monotonic()

    def remove_pods(self) -> None:
        """Deletes whatever pods were left behind."""
        for name in self.pods():
            with suppress(client.ApiException):
                self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)
        self.await_no_pods()

    def token(self, account: str = "bench") -> str:
        """A token of one of the namespace's service accounts."""
        request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
        answer = self.core.create_namespaced_service_account_token(account, self.namespace, request)
        assert answer.status is not None
        return str(answer.status.token)

    @contextmanager
    def proxy(self) -> Iterator[tuple[ApiProxy, Path]]:
        """A proxy before the API server, and a kubeconfig that takes the way through it."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with ApiProxy(self.kubeconfig, folder).running() as proxy:
            yield proxy, proxy.kubeconfig(folder / "kubeconfig", self.token(), self.namespace)


@contextmanager
def opened(kubeconfig: Path, cache: Path, *, quick: bool, seconds: float) -> Iterator[Bench]:
    """Everything that the benchmarks need; a namespace and a folder that are gone afterwards.

    Args:
        kubeconfig: the cluster's.
        cache: for what is kept.
        quick: small numbers.
        seconds: that all of it may take.
    """
    deadline = time.monotonic() + seconds
    connection = config.new_client_from_config(config_file=str(kubeconfig))  # type: ignore[no-untyped-call]
    core = client.CoreV1Api(connection)
    namespace = f"bench-{uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
    environ = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    environ.update(HOME=str(folder), ANSIBLE_LOCALHOST_WARNING="False", ANSIBLE_NOCOLOR="1")
    try:
        _make_account(client.RbacAuthorizationV1Api(connection), core, namespace)
        yield Bench(kubeconfig, core, namespace, folder, cache, quick, deadline, environ)
    finally:
        core.delete_namespace(namespace)
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)


def _make_account(rbac: client.RbacAuthorizationV1Api, core: client.CoreV1Api, namespace: str) -> None:
    metadata = client.V1ObjectMeta(name="bench")
    core.create_namespaced_service_account(namespace, client.V1ServiceAccount(metadata=metadata))
    rbac.create_namespaced_role(namespace, client.V1Role(metadata=metadata, rules=POD_RULES))
    subject = client.RbacV1Subject(kind="ServiceAccount", name="bench", namespace=namespace)
    role = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="bench")
    rbac.create_namespaced_role_binding(
        namespace, client.V1RoleBinding(metadata=metadata, subjects=[subject], role_ref=role)
    )
    deadline = time.monotonic() + WAIT
    while True:  # a new namespace takes pods only when its default service account is there
        with suppress(client.ApiException):
            core.read_namespaced_service_account("default", namespace)
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"namespace {namespace} got no service account")
        time.sleep(0.05)


def medians(samples: Sequence[Sample], value: Callable[[Sample], float | None]) -> list[float]:
    """The values of one figure in the samples that ended as they should."""
    return [found for sample in samples if sample.ok and (found := value(sample)) is not None]
