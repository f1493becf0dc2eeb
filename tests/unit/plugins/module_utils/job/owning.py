# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job, its owner and a cluster of its own, in whose pod a script is ansible-runner."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_clients import SharedClients
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    JobRecord,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.attempts import (
    ATTEMPTS,
    in_pod,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.owned_run import Start
from ansible_collections.jobpods.controller.plugins.module_utils.job.owner import JobOwner
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload, build_payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Marks, RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    ExecutionEnvironment,
    PodIdentity,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import (
    PoolSpec,
    WarmPods,
    pool_spec,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    LittleCluster,
    little_cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import (
    event,
    say,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    scripted_worker,
)

DEADLINE = 60


READ = "sys.stdin.buffer.read()\n"
BEGIN = READ + say(status="starting") + say(status="running") + event(1, "playbook_on_start", "PLAY")
RECAP = event(2, "playbook_on_stats", "RECAP", ok={"a": 1}, changed={"a": 1}, artifact_data={"x": 1})
GOOD = BEGIN + RECAP + say(status="successful") + say(eof=True)
BAD = BEGIN + event(2, "playbook_on_stats", "RECAP", failures={"a": 1}) + say(status="failed") + say(eof=True)
BAD += "sys.exit(2)\n"
ENDLESS = BEGIN + "time.sleep(600)\n"


class Told:
    """A progress that keeps what it hears."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.warnings: list[str] = []
        self.counters: list[int] = []
        self.heard = asyncio.Event()

    def step(self, text: str, verbosity: int = 0) -> None:
        self.steps.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def forgotten(self) -> None:
        self.counters.clear()

    def events(self, batch: Batch) -> None:
        self.counters += [each.counter for each in batch.events]
        self.heard.set()


class Scene:
    """A job, its owner, and all that it meets."""

    def __init__(self, folder: Path, store: JobStore, calls: StoreCalls) -> None:
        self.folder, self.store, self.calls = folder, store, calls
        self.told = Told()
        self.finished = asyncio.Event()
        self.payloads: list[Payload] = []
        launch = launched(folder, container_group={"namespace": "jobs"}, cancel_grace=1)
        job = NewJob(uuid.uuid4().hex, "job", launch.name, True, "here", None, "jobs", launch.to_stored(), {})
        self.job_id = store.create(job)
        self.lease = store.claim(self.job_id, "here")
        identity = PodIdentity(self.job_id, job.uuid, 1, "here")
        attempts = range(1, ATTEMPTS + 1)
        self.pod_names = [replace(identity, attempt=number).pod_name for number in attempts]
        self.pod_name = self.pod_names[0]

        def build(unwanted: threading.Event) -> Payload:
            self.payloads.append(build_payload(launch, str(self.job_id), unwanted=unwanted))
            return self.payloads[-1]

        self.request = RunRequest(launch, identity, self.lease, build)

    def outage(self, seconds: int) -> None:
        """Sets how long the cluster may be away."""
        launch = self.request.launch
        group = replace(launch.group, cluster_outage_timeout=seconds)
        self.request = replace(self.request, launch=replace(launch, group=group))

    def repeat(self) -> None:
        """Has a lost run repeated."""
        self.request = replace(self.request, launch=replace(self.request.launch, retry_on_node_loss=True))

    def warm(self, count: int = 1) -> None:
        """Has the container group ask for warm pods."""
        launch = self.request.launch
        group = replace(launch.group, warm=WarmPods(count, 600))
        launch = replace(launch, group=group)
        marks = Marks(self.store.fingerprint, self.store.mark, self._has_pod)
        self.request = replace(self.request, launch=launch, marks=marks)

    async def _has_pod(self, job_uuid: str, pod_uid: str) -> bool:
        return bool(self.store.list(uuid=job_uuid, pod_uid=pod_uid, pod_deleted=False))

    def pool(self, connection: Connection) -> PoolSpec:
        """The pool of these."""
        group = self.request.launch.group
        assert group.warm is not None
        return pool_spec(
            group.warm,
            cluster=connection.host,
            namespace="jobs",
            override=group.pod_spec_override,
            execution_environment=group.execution_environment,
            store=self.store.fingerprint,
        )

    def log_in(self) -> str:
        """Gives the image's registry a login; returns its password."""
        launch = self.request.launch
        environment = ExecutionEnvironment("quay.io/a", registry=Registry("quay.io", "me", "s3cret-login"))
        group = replace(launch.group, execution_environment=environment)
        self.request = replace(self.request, launch=replace(launch, group=group))
        return "s3cret-login"

    def owner(self, connection: Connection, **environ: str) -> JobOwner:
        async def prepare() -> Start:
            return in_pod(self.request, connection, environ, SharedClients())

        return JobOwner(self.job_id, self.lease, prepare, self.store, self.calls, self.told)

    async def own(self, connection: Connection, **environ: str) -> JobRecord:
        """Runs the job to its end; returns its row."""
        async with deadline(DEADLINE):
            await self.owner(connection, **environ).own(self.finished)
        assert self.finished.is_set()
        return self.record

    @property
    def record(self) -> JobRecord:
        return self.store.get(self.job_id)


@asynccontextmanager
async def cluster(scene: Scene, authority: Authority, script: str) -> AsyncIterator[LittleCluster]:
    """A cluster in whose pod the script is ansible-runner."""
    scripted_worker(scene.folder, script)
    async with little_cluster(scene.folder, authority, *scene.pod_names) as made:
        yield made
