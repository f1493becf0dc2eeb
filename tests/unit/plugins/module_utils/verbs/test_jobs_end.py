# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job ends by a signal to its process, by `job_cancel`, or by a store that takes nothing more."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    JobRecord,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import owned_row, owner
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import jobs, launching, registry
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import status
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    PODS,
    LittleCluster,
    little_cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BEGIN,
    DEADLINE,
    ENDLESS,
    GOOD,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import event
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    scripted_worker,
)

JOB_UUID = uuid.UUID(int=7)


class User:
    """Who asks for verbs, and reads what comes back.

    Attributes:
        folder: has the project, the store and all else.
        messages: what was told so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages: list[dict[str, Any]] = []
        self.store = JobStore.open(store_options({"data_dir": str(folder / "store")}, {}, folder))

    @property
    def record(self) -> JobRecord:
        return self.store.get(1)

    @property
    def result(self) -> dict[str, Any]:
        """The only result that was told."""
        (result,) = [message["result"] for message in self.messages if message["type"] == "result"]
        return dict(result)

    async def ask(self, verb: str, **given: Any) -> dict[str, Any] | None:
        """Has a verb done; its messages are kept, and its result returned where it is no message."""
        params = validated(verb, {"data_dir": str(self.folder / "store"), **given})
        pipe = asyncio.StreamReader()
        try:
            async with self._feed() as feed:
                request = Request(verb, params, str(self.folder))
                return await registry.verb(verb)(request, feed, Launcher(pipe, None))
        finally:
            pipe.feed_eof()  # so that nobody waits for it any more

    @asynccontextmanager
    async def _feed(self) -> AsyncIterator[LauncherFeed]:
        reading, writing = os.pipe()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 24)
        source, _protocol = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        target, flow = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb", 0)
        )
        feed = LauncherFeed(asyncio.StreamWriter(target, flow, None, loop))
        taking = asyncio.create_task(self._take(reader))
        try:
            yield feed
            await feed.flush()
        finally:
            await feed.close()
            target.close()
            await taking
            source.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.messages.append(json.loads(line))


class Launch:
    """A job that was launched."""

    def __init__(self, user: User, at: LittleCluster, task: asyncio.Task[dict[str, Any] | None]) -> None:
        self.user, self.at, self.task = user, at, task

    async def runs(self) -> None:
        """Waits until its playbook runs."""
        while not (self.user.record.event_count and self.user.record.status == "running"):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def launched(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch, script: str, **given: Any
) -> AsyncIterator[Launch]:
    """A job in whose pod the script is ansible-runner."""
    scripted_worker(user.folder, script)
    monkeypatch.setattr(uuid, "uuid4", lambda: JOB_UUID)
    name = PodIdentity(1, JOB_UUID.hex, 1, "here").pod_name
    async with little_cluster(user.folder, authority, name) as at:
        group = {"host": at.connection.host, "api_key": at.connection.token, "ssl_ca_cert": authority.pem}
        params = {"project": "project", "playbook": "site.yml", "inventory": "localhost,", **given}
        params["container_group"] = {**group, "namespace": "jobs"}
        async with deadline(DEADLINE):
            task = asyncio.create_task(user.ask("container_group_job", cancel_grace=1, **params))
            try:
                while not user.store.list():
                    await asyncio.sleep(0.02)
                yield Launch(user, at, task)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def user(tmp_path: Path) -> AsyncIterator[User]:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "site.yml").write_text("[]")
    made = User(tmp_path)
    yield made
    made.store.close()
    for number in SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "HEARTBEAT_INTERVAL", 0.05)
    monkeypatch.setattr(jobs, "LOOK_INTERVAL", 0.05)


# --- signals -----

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
async def test_signal_leaves_a_job_that_nobody_waits_for(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    async with launched(user, authority, monkeypatch, ENDLESS, wait=False) as job:
        await job.runs()
        os.kill(os.getpid(), number)
        assert await job.task is None
        assert (user.record.status, user.record.failure, user.record.pod_deleted) == ("running", None, False)
        assert (job.at.exists, job.at.requests("DELETE"), job.at.pod.process.poll()) == (True, 0, None)
        assert user.result["job"]["id"] == 1


@pytest.mark.parametrize("number", SIGNALS)
async def test_signal_cancels_a_job_whose_launcher_waits(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    async with launched(user, authority, monkeypatch, ENDLESS) as job:
        await job.runs()
        os.kill(os.getpid(), number)
        await job.task
        assert user.result["job"]["status"] == "canceled"
        assert user.result["job"]["job_explanation"] == f"The job process got {number.name}."
        assert (job.at.exists, user.record.pod_deleted) == (False, True)


# --- a store that takes nothing more -----


async def test_result_names_a_job_whose_end_can_t_be_stored(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_columns: object) -> None:
        raise Failure("InvalidConfiguration", "The database can't be used: disk full.")

    monkeypatch.setattr(owned_row, "STORE_LIMIT", 0.1)
    monkeypatch.setattr(JobStore, "finish", full)
    async with launched(user, authority, monkeypatch, GOOD) as job:
        await job.task
        result = user.result
        assert (result["failed"], result["changed"]) == (True, True)
        assert (result["job"]["id"], result["job"]["name"]) == (1, "site.yml")
        assert "The job ended (successful), but this could not be stored: " in result["msg"]
        assert job.at.exists, "its end is still there"


async def test_result_names_a_job_that_can_t_be_read(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> dict[str, Any]:
        raise KeyError("oh no")

    monkeypatch.setattr(launching, "job_result", broken)
    async with launched(user, authority, monkeypatch, GOOD, wait=False) as job:
        await job.task
        assert user.result["job"]["id"] == 1
        assert "KeyError('oh no')" in user.result["msg"]
        assert (user.record.status, job.at.exists) == ("successful", False)


# --- job_cancel -----


async def test_job_cancel_of_a_running_job(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with launched(user, authority, monkeypatch, ENDLESS) as job:
        await job.runs()
        result = await user.ask("job_cancel", job_id=1)
        assert result is not None
        assert (result["changed"], result["failed"], result["job"]["status"]) == (True, False, "canceled")
        assert (job.at.exists, user.record.pod_deleted) == (False, True), "it waits for the pod, too"
        assert "could not be deleted" not in result["msg"]
        await job.task


AWAY = status(503, "the server is away", "ServiceUnavailable")


@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
async def test_job_cancel_tells_of_a_pod_that_is_left(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    async with launched(user, authority, monkeypatch, ENDLESS) as job:
        await job.runs()
        job.at.undeletable = 1000
        if away:
            job.at.server.on("GET", f"{PODS}/{user.record.pod_name}", AWAY)
        monkeypatch.setattr(jobs.Patience, "over", property(lambda _self: user.record.status == "canceled"))
        result = await user.ask("job_cancel", job_id=1)
        assert result is not None
        assert (result["changed"], result["failed"], result["job"]["status"]) == (True, False, "canceled")
        assert (job.at.exists, user.record.pod_deleted) == (True, False)
        pod = user.record.pod_name
        why = "The cluster could not be reached: " if away else "The cluster still has it."
        assert f" The pod {pod} in namespace jobs could not be deleted yet. {why}" in result["msg"]
        assert " The deletion is tried again: by the job process on " in result["msg"]
        job.at.undeletable = 0
        job.at.server.on("GET", f"{PODS}/{pod}", job.at._get)
        await job.task


async def test_job_cancel_does_not_wait_for_a_pod_that_is_kept(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with launched(user, authority, monkeypatch, ENDLESS, keep_pod="always") as job:
        await job.runs()
        result = await user.ask("job_cancel", job_id=1, timeout=3600)
        assert result is not None
        assert (result["job"]["status"], job.at.exists) == ("canceled", True)
        assert "`kubectl exec -it -n jobs " in result["msg"]
        await job.task


# --- job_info -----


async def test_job_info_of_a_running_job(
    user: User, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = event(2, "playbook_on_task_start", "TASK", task="Wait\x1b[2J")
    async with launched(user, authority, monkeypatch, BEGIN + task + "time.sleep(600)\n") as job:
        await job.runs()
        while user.record.event_count < 2:
            await asyncio.sleep(0.02)
        result = await user.ask("job_info", job_id=1)
        assert result is not None
        (facts,) = result["jobs"]
        assert (facts["status"], facts["event_count"], facts["current_task"]) == ("running", 2, "Wait")
        assert (facts["pod_name"], facts["pod_kept_until"]) == (user.record.pod_name, None)
        assert facts["status_since"] >= facts["started"]
        listed = await user.ask("job_info")
        assert listed is not None and "current_task" not in listed["jobs"][0]
        await user.ask("job_cancel", job_id=1)
        ended = await user.ask("job_info", job_id=1)
        assert ended is not None and ended["jobs"][0]["current_task"] == ""
        await job.task


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "fail-if-not-running"])
@pytest.mark.parametrize("ends_as", ["successful", "failed", "error"])
async def test_job_cancel_of_a_job_that_ends_by_itself_meanwhile(
    user: User, monkeypatch: pytest.MonkeyPatch, ends_as: str, strict: bool
) -> None:
    request_cancel = JobStore.request_cancel

    def too_late(store: JobStore, job_id: int) -> JobRecord:
        request_cancel(store, job_id)
        store.finish(job_id, lease, status=ends_as)
        return store.get(job_id)

    monkeypatch.setattr(JobStore, "request_cancel", too_late)
    job_id = user.store.create(NewJob("u" * 32, "job", "site.yml", True, "here", None, "jobs", {}, {}))
    lease = user.store.claim(job_id, "here")
    result = await user.ask("job_cancel", job_id=job_id, fail_if_not_running=strict)
    assert result is not None
    assert (result["changed"], result["failed"]) == (False, strict)
    assert result["job"]["status"] == ends_as
    assert result["msg"].startswith("Job 1 was over before the cancel reached it. Job 1 (site.yml)")
