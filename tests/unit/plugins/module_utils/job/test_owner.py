# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to a job, its row gets a final status and its pod is deleted."""

from __future__ import annotations

import asyncio
import gc
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    JobRecord,
    JobStore,
    LeaseLost,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import conversation, owner, run
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.owner import JobOwner
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload, build_payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.plugins.module_utils.job.run import RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import status
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    NODE,
    PODS,
    LittleCluster,
    little_cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    scripted_worker,
)

DEADLINE = 60
RETRIES = RetryPolicy().attempts


def say(**fields: Any) -> str:
    return f"print({json.dumps(fields)!r}, flush=True)\n"


def event(counter: int, name: str, stdout: str = "", **facts: Any) -> str:
    return say(uuid=f"u{counter}", counter=counter, event=name, stdout=stdout, event_data=facts)


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
        self.pod_name = identity.pod_name

        def build() -> Payload:
            self.payloads.append(build_payload(launch, str(self.job_id)))
            return self.payloads[-1]

        self.request = RunRequest(launch, identity, self.lease, build)

    def owner(self, connection: Connection) -> JobOwner:
        return JobOwner(self.request, connection, self.store, self.calls, self.told)

    async def own(self, connection: Connection, **environ: str) -> JobRecord:
        """Runs the job to its end; returns its row."""
        async with deadline(DEADLINE):
            await self.owner(connection).own(environ, self.finished)
        assert self.finished.is_set()
        return self.record

    @property
    def record(self) -> JobRecord:
        return self.store.get(self.job_id)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore.open(store_options({"data_dir": str(tmp_path / "store")}, {}, tmp_path))
    yield opened
    opened.close()


@pytest.fixture
async def scene(tmp_path: Path, store: JobStore) -> AsyncIterator[Scene]:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "site.yml").write_text("[]")
    calls = StoreCalls()
    yield Scene(tmp_path, store, calls)
    calls.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "BACKOFF", (0.01,))
    monkeypatch.setattr(run, "EARLY_ATTACHES", (0.0,))
    monkeypatch.setattr(owner, "HEARTBEAT_INTERVAL", 0.05)
    monkeypatch.setattr(owner, "QUICK_REMOVAL", 0.5)


@asynccontextmanager
async def cluster(scene: Scene, authority: Authority, script: str) -> AsyncIterator[LittleCluster]:
    """A cluster in whose pod the script is ansible-runner."""
    scripted_worker(scene.folder, script)
    async with little_cluster(scene.folder, authority, scene.pod_name) as made:
        yield made


NOWHERE = Connection(host="https://127.0.0.1:1", source="the test", token="t")  # noqa: S106 - not a token


# --- ends -----


async def test_good_end(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert (record.status, record.failure, record.changed) == ("successful", None, True)
        assert (record.pod_name, record.pod_uid, record.execution_node) == (scene.pod_name, "u1", NODE)
        assert (record.event_count, record.artifacts) == (2, {"x": 1})
        assert {name: count for name, count in record.host_status_counts.items() if count} == {"changed": 1}
        assert scene.store.stdout(scene.job_id) == ("PLAY\nRECAP\n", False)
        assert (at.deleted, at.exists, record.pod_deleted) == ([0], False, True)
        assert at.requests("POST") == 1
        assert scene.told.counters == [1, 2]
        assert scene.told.warnings == []
        assert scene.told.steps == [
            f"pod {scene.pod_name} created in namespace jobs",
            f"scheduled on node {NODE}",
            "running",
            "payload received",
            "playbook started",
        ]


async def test_playbook_that_fails(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, BAD) as at:
        record = await scene.own(at.connection)
        assert record.status == "failed"
        assert record.failure is not None and record.failure["reason"] == "PlaybookFailed"
        assert record.job_explanation == record.failure["message"]
        assert (at.deleted, record.pod_deleted) == ([0], True)


async def test_cluster_that_is_not_there(scene: Scene) -> None:
    record = await scene.own(NOWHERE)
    assert record.status == "error"
    assert record.failure is not None and record.failure["reason"] == "ConnectionRefused"
    assert (record.pod_name, record.pod_deleted, record.changed) == ("", True, False)


async def test_connection_that_can_t_be_used_at_all(scene: Scene) -> None:
    away = Connection(host="https://k8s.test:6443", source="the test", token="t")  # noqa: S106 - not a token
    record = await scene.own(away, HTTPS_PROXY="socks5://proxy.test")
    assert record.status == "error"
    assert record.failure is not None and record.failure["reason"] == "InvalidConfiguration"
    assert "HTTPS_PROXY" in record.job_explanation
    assert record.pod_deleted


async def test_pod_that_is_refused(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        at.server.on("POST", PODS, status(403, "pods is forbidden: no", "Forbidden"))
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "Forbidden"
        assert (record.status, record.pod_deleted, at.requests("DELETE")) == ("error", True, 0)


async def test_payload_that_can_t_be_built(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        (scene.folder / "project" / "caf\udce9").touch()
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ProjectNotFound"
        assert record.changed is False
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_error_of_our_own(scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, batch: Batch) -> None:
        raise KeyError("oh no")

    monkeypatch.setattr(Told, "events", broken)
    async with cluster(scene, authority, ENDLESS) as at:
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ControllerLost"
        assert "KeyError: 'oh no'" in record.result_traceback
        assert record.changed is None
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_payload_s_file_is_gone_at_the_end(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        await scene.own(at.connection)
        assert [payload.file.closed for payload in scene.payloads] == [True]


# --- cancel -----


async def test_cancel_before_the_start(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        owning.cancel("Nobody wants it.")
        owning.cancel("Still nobody.")
        async with deadline(DEADLINE):
            await owning.own({}, scene.finished)
        record = scene.record
        assert (record.status, record.job_explanation) == ("canceled", "Nobody wants it.")
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_cancel_while_it_runs_and_only_the_first_reason_counts(
    scene: Scene, authority: Authority
) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own({}, scene.finished))
        async with deadline(DEADLINE):
            await scene.told.heard.wait()
            owning.cancel("First.")
            owning.cancel("Second.")
            await task
        record = scene.record
        assert (record.status, record.job_explanation) == ("canceled", "First.")
        assert record.failure is not None and record.failure["reason"] == "Canceled"
        assert scene.told.steps.count("canceling: First.") == 1
        assert (at.deleted, record.pod_deleted, record.event_count) == ([0], True, 1)


async def test_cancel_by_the_row(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        await scene.calls(scene.store.request_cancel, scene.job_id)
        record = await task
        assert (record.status, record.job_explanation) == ("canceled", "Canceled by job_cancel.")


async def test_cancel_by_the_row_works_again_after_the_store_was_away(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat, away = scene.store.heartbeat, [True] * 5

    def sometimes(job_id: int, lease: int) -> bool:
        if away and away.pop():
            raise Failure("InvalidConfiguration", "The database can't be used: locked.")
        return heartbeat(job_id, lease)

    monkeypatch.setattr(scene.store, "heartbeat", sometimes)
    async with cluster(scene, authority, ENDLESS) as at:
        await scene.calls(scene.store.request_cancel, scene.job_id)
        record = await scene.own(at.connection)
        assert record.status == "canceled"
        assert scene.told.warnings == [
            "job_cancel can't reach this job now: The database can't be used: locked."
        ]


async def test_heart_beats_as_long_as_it_runs_and_no_longer(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        at.undeletable = RETRIES
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        first = scene.record.heartbeat
        await asyncio.sleep(0.3)
        assert first is not None and (scene.record.heartbeat or first) > first
        await scene.calls(scene.store.request_cancel, scene.job_id)
        await asyncio.wait_for(scene.finished.wait(), DEADLINE)
        last = scene.record.heartbeat
        await asyncio.sleep(0.3)
        assert scene.record.heartbeat == last
        assert not any("job_cancel" in warning for warning in scene.told.warnings)
        await task


# --- the store -----


async def test_events_that_can_t_be_stored_end_the_job(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise Failure("InvalidConfiguration", "The database can't be used: disk full.")

    monkeypatch.setattr(scene.store, "add_events", full)
    async with cluster(scene, authority, ENDLESS) as at:
        record = await scene.own(at.connection)
        assert record.status == "error"
        assert record.job_explanation == "The database can't be used: disk full."
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_last_events_that_can_t_be_stored_make_no_success(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise Failure("InvalidConfiguration", "The database can't be used: disk full.")

    monkeypatch.setattr(scene.store, "add_events", full)
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert record.status == "error"
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_job_that_another_controller_took_is_left_alone(
    scene: Scene, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        while not scene.record.event_count:
            await asyncio.sleep(0.02)
        await scene.calls(scene.store.claim, scene.job_id, "there")
        await asyncio.sleep(0.3)
        before = scene.record.heartbeat
        await asyncio.sleep(0.3)
        assert scene.record.heartbeat == before
        assert not task.done()
        assert at.exists
        task.cancel()
        with pytest.raises((asyncio.CancelledError, LeaseLost)):
            await task
        del task
        gc.collect()
        assert "LeaseLost" not in caplog.text


# --- the pod's deletion -----


async def test_result_does_not_wait_for_a_pod_that_can_t_be_deleted_now(
    scene: Scene, authority: Authority
) -> None:
    async with cluster(scene, authority, GOOD) as at:
        at.undeletable = RETRIES
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.finished.wait(), DEADLINE)
        assert (scene.record.status, scene.record.pod_deleted, at.exists) == ("successful", False, True)
        assert [payload.file.closed for payload in scene.payloads] == [True]
        assert await asyncio.to_thread(at.pod.process.wait, DEADLINE) == 0  # it was told that all is stored
        record = await task
        assert (record.pod_deleted, at.exists) == (True, False)
        (warning,) = scene.told.warnings
        assert warning.startswith(f"pod {scene.pod_name} can't be deleted yet: ")


async def test_pod_that_may_not_be_deleted_is_told(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        at.server.on("DELETE", f"{PODS}/{scene.pod_name}", status(403, "pods is forbidden: no", "Forbidden"))
        record = await scene.own(at.connection)
        assert (record.status, record.pod_deleted) == ("successful", False)
        (warning,) = scene.told.warnings
        assert warning.startswith(f"pod {scene.pod_name} could not be deleted, remove it by hand: ")


async def test_pod_of_a_run_that_may_go_on_gets_its_grace(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, BEGIN + event(9, "too_soon") + "time.sleep(600)\n") as at:
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ProtocolViolation"
        assert (at.deleted[0], record.pod_deleted) == (1, True)
