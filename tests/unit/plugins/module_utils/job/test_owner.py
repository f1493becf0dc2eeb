# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to a job, its row gets a final status and its pod is deleted."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.controller import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import (
    owned_row,
    owner,
    recorder,
    removal,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import status
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    NODE,
    PODS,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BAD,
    BEGIN,
    DEADLINE,
    ENDLESS,
    GOOD,
    Scene,
    Told,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import (
    event,
    say,
)

pytestmark = pytest.mark.usefixtures("quick")

RETRIES = RetryPolicy().attempts
NOWHERE = Connection(host="https://127.0.0.1:1", source="the test", token="t")  # noqa: S106 - not a token


# --- ends -----


async def test_end_before_any_play_has_changed_nothing(scene: Scene, authority: Authority) -> None:
    prompt = event(2, "playbook_on_vars_prompt", "") + event(3, "verbose", "Who is it: ")
    async with cluster(scene, authority, BEGIN + prompt + say(status="failed") + say(eof=True)) as at:
        record = await scene.own(at.connection)
    assert (record.status, record.changed) == ("failed", False)
    (warning,) = scene.told.warnings
    assert "vars_prompt" in warning
    assert "extra_vars" in warning


async def test_end_within_a_play_may_have_changed_something(scene: Scene, authority: Authority) -> None:
    begun = BEGIN + event(2, "playbook_on_play_start", "PLAY")
    async with cluster(scene, authority, begun + say(status="failed") + say(eof=True)) as at:
        assert (await scene.own(at.connection)).changed is None


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
            f"running on node {NODE}",
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
            await owning.own(scene.finished)
        record = scene.record
        assert (record.status, record.job_explanation) == ("canceled", "Nobody wants it.")
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_cancel_while_it_runs_and_only_the_first_reason_counts(
    scene: Scene, authority: Authority
) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
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


async def test_heart_beats_as_long_as_it_runs_and_no_longer(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT_AGE", 0.0)
    async with cluster(scene, authority, ENDLESS) as at:
        at.undeletable = RETRIES
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        first = scene.record.heartbeat
        assert first is not None
        async with deadline(DEADLINE):
            while (scene.record.heartbeat or first) <= first:
                await asyncio.sleep(0.02)
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

    monkeypatch.setattr(owned_row, "STORE_LIMIT", 0.1)
    monkeypatch.setattr(scene.store, "add_events", full)
    async with cluster(scene, authority, ENDLESS) as at:
        record = await scene.own(at.connection)
        assert record.status == "error"
        assert record.job_explanation == "The database can't be used: disk full. This lasted longer than 0 s."
        assert (at.exists, record.pod_deleted) == (False, True)


async def test_last_events_that_can_t_be_stored_make_no_success(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise Failure("InvalidConfiguration", "The database can't be used: disk full.")

    monkeypatch.setattr(owned_row, "STORE_LIMIT", 0.1)
    monkeypatch.setattr(scene.store, "add_events", full)
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert record.status == "error"
        assert (at.exists, record.pod_deleted) == (False, True)


@pytest.mark.parametrize("refused", ["add_events", "update"])
async def test_store_that_is_full_for_a_while_costs_nothing(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    monkeypatch.setattr(owned_row, "STORE_BACKOFF", (0.02,))
    does = getattr(scene.store, refused)
    refusals = iter(range(5))

    def full(*arguments: Any, **columns: Any) -> None:
        if next(refusals, None) is not None:
            raise Failure("InvalidConfiguration", "The database can't be used: disk full.")
        does(*arguments, **columns)

    monkeypatch.setattr(scene.store, refused, full)
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
    assert (record.status, record.event_count, record.execution_node) == ("successful", 2, NODE)
    assert [event["counter"] for event in scene.store.events(scene.job_id)] == [1, 2]
    what = {"add_events": "the job's events", "update": "the job's state"}[refused]
    (warning,) = scene.told.warnings
    assert warning == f"{what} can't be stored now, which is tried for 60 s: " + (
        "The database can't be used: disk full."
    )


async def test_last_events_are_stored_also_where_the_end_was_not_seen(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "GATHER", 1.0)
    async with cluster(scene, authority, BEGIN + "time.sleep(0.2)\nprint('garbage')\n") as at:
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ProtocolViolation"
        assert scene.told.counters == [1]
        assert [event["counter"] for event in scene.store.events(scene.job_id)] == [1]
        assert record.event_count == 1


async def test_store_that_is_too_slow_for_the_last_events(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "FLUSH_LIMIT", 0.3)
    add_events = scene.store.add_events
    release = threading.Event()

    def slow(*arguments: Any) -> None:
        assert release.wait(DEADLINE)
        add_events(*arguments)

    monkeypatch.setattr(scene.store, "add_events", slow)
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            await scene.told.heard.wait()
            owning.cancel("Nobody wants it.")
            while not any("last events" in warning for warning in scene.told.warnings):
                await asyncio.sleep(0.02)
            release.set()
            await task
            assert not at.exists
        assert scene.record.status == "canceled"
        assert "the job's last events are not stored: " in scene.told.warnings[-1]
        assert "0 s" in scene.told.warnings[-1]


async def test_pod_of_a_run_that_may_go_on_does_not_wait_for_the_store(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(scene.store, "add_events", lambda *_arguments: release.wait(DEADLINE))
    garbage = "time.sleep(0.2)\nprint('garbage', flush=True)\n"
    async with cluster(scene, authority, BEGIN + garbage + "time.sleep(600)\n") as at:
        task = asyncio.create_task(scene.own(at.connection))
        async with deadline(DEADLINE / 2):
            await scene.told.heard.wait()
            while at.exists:
                await asyncio.sleep(0.02)
        assert not task.done()
        release.set()
        assert (await task).pod_deleted


async def test_unexpected_error_with_the_last_events_loses_nothing_else(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise KeyError("oh no")

    monkeypatch.setattr(recorder, "GATHER", 0.5)
    monkeypatch.setattr(scene.store, "add_events", broken)
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ControllerLost"
        assert "KeyError('oh no')" in record.job_explanation
        assert (record.event_count, at.exists, record.pod_deleted) == (0, False, True)


async def test_end_is_stored_as_soon_as_the_store_takes_it(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned_row, "STORE_BACKOFF", (0.02,))
    finish, away = scene.store.finish, [True] * 5

    def sometimes(*arguments: Any, **columns: Any) -> None:
        if away and away.pop():
            raise Failure("InvalidConfiguration", "The database can't be used: disk full.")
        finish(*arguments, **columns)

    monkeypatch.setattr(scene.store, "finish", sometimes)
    async with cluster(scene, authority, GOOD) as at:
        record = await scene.own(at.connection)
        assert (record.status, record.pod_deleted, at.exists) == ("successful", True, False)
        (warning,) = scene.told.warnings
        assert warning.startswith("the job's end can't be stored now, which is tried for 60 s: ")
        assert "disk full" in warning


async def test_unexpected_error_of_the_heartbeat_is_told(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat, broken = scene.store.heartbeat, [True] * 5

    def sometimes(job_id: int, lease: int) -> bool:
        if broken and broken.pop():
            raise KeyError("oh no")
        return heartbeat(job_id, lease)

    monkeypatch.setattr(scene.store, "heartbeat", sometimes)
    async with cluster(scene, authority, ENDLESS) as at:
        await scene.calls(scene.store.request_cancel, scene.job_id)
        record = await scene.own(at.connection)
        assert record.status == "canceled"
        (warning,) = scene.told.warnings
        assert warning.startswith("job_cancel can't reach this job now: ")
        assert "KeyError('oh no')" in warning


async def test_job_that_another_controller_took_is_left_alone(
    scene: Scene, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
        while not scene.record.event_count:
            await asyncio.sleep(0.02)
        await scene.calls(scene.store.claim, scene.job_id, "there")
        before = scene.record
        await asyncio.wait_for(task, DEADLINE)
        assert owning.unfinished is not None
        assert owning.unfinished.reason == "ControllerLost"
        assert "taken" in owning.unfinished.message
        assert (scene.record.status, scene.record.heartbeat) == ("running", before.heartbeat)
        assert at.exists
        del task, owning
        gc.collect()
        assert "LeaseLost" not in caplog.text


@pytest.mark.parametrize("script", [GOOD, BEGIN + "print('garbage', flush=True)\n"])
async def test_a_run_s_end_is_not_told_by_who_lost_the_job(
    scene: Scene, authority: Authority, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for a while finds its run at the end, and the job with another one."""
    async with cluster(scene, authority, script) as at:
        owning = scene.owner(at.connection)
        beat = scene.store.heartbeat
        beats = 0

        def taken(*arguments: Any) -> bool:
            nonlocal beats
            beats += 1
            if beats > 1:
                scene.store.claim(scene.job_id, "there")
            return beat(*arguments)

        monkeypatch.setattr(owner, "HEARTBEAT_INTERVAL", DEADLINE)
        monkeypatch.setattr(scene.store, "heartbeat", taken)
        await asyncio.wait_for(owning.own(scene.finished), DEADLINE)
        assert at.exists
    assert owning.unfinished is not None
    assert scene.record.finished is None


# --- leaving -----


async def test_job_that_is_left_goes_on(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, ENDLESS) as at:
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            await scene.told.heard.wait()
            while scene.record.status != "running":
                await asyncio.sleep(0.02)
            owning.leave()
            owning.leave()
            await task
        record = scene.record
        assert (record.status, record.failure, record.pod_deleted) == ("running", None, False)
        assert (at.exists, at.requests("DELETE"), at.pod.process.poll()) == (True, 0, None)
        assert not scene.finished.is_set()


async def test_pod_that_can_t_be_deleted_now_is_left(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, GOOD) as at:
        at.undeletable = 1000
        owning = scene.owner(at.connection)
        task = asyncio.create_task(owning.own(scene.finished))
        async with deadline(DEADLINE):
            await scene.finished.wait()
            assert not task.done()
            owning.leave()
            await task
        assert (scene.record.status, scene.record.pod_deleted) == ("successful", False)


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


async def test_result_waits_a_moment_for_the_pod_s_deletion(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "QUICK_REMOVAL", DEADLINE)
    async with cluster(scene, authority, GOOD) as at:
        task = asyncio.create_task(scene.own(at.connection))
        await asyncio.wait_for(scene.finished.wait(), DEADLINE)
        assert scene.record.pod_deleted
        await task


async def test_row_is_final_before_the_pod_is_deleted(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed between the two leaves a pod to delete, and not a job without a verdict."""
    finish = scene.store.finish
    seen: list[tuple[bool, bool]] = []
    async with cluster(scene, authority, GOOD) as at:

        def noting(*arguments: Any, **columns: Any) -> None:
            seen.append((columns["pod_deleted"], at.exists))
            finish(*arguments, **columns)

        monkeypatch.setattr(scene.store, "finish", noting)
        await scene.own(at.connection)
        assert seen == [(False, True)]
        assert not at.exists


async def test_pod_that_may_not_be_deleted_is_told(
    scene: Scene, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "REFUSAL_LIMIT", 0.1)
    async with cluster(scene, authority, GOOD) as at:
        at.server.on("DELETE", f"{PODS}/{scene.pod_name}", status(403, "pods is forbidden: no", "Forbidden"))
        record = await scene.own(at.connection)
        assert (record.status, record.pod_deleted) == ("successful", False)
        first, last = scene.told.warnings
        assert first.startswith(f"pod {scene.pod_name} can't be deleted yet: ")
        assert last.startswith(f"pod {scene.pod_name} could not be deleted, remove it by hand: ")


async def test_pod_of_a_run_that_may_go_on_gets_its_grace(scene: Scene, authority: Authority) -> None:
    async with cluster(scene, authority, BEGIN + event(9, "too_soon") + "time.sleep(600)\n") as at:
        record = await scene.own(at.connection)
        assert record.failure is not None and record.failure["reason"] == "ProtocolViolation"
        assert (at.deleted[0], record.pod_deleted) == (1, True)
