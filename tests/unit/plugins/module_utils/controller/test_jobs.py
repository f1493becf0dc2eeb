# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's life in the store: its lease, its statuses, its secrets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    FINAL,
    HEARTBEAT_AGE,
    JobStore,
    LeaseLost,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    CONNECTION,
    LAUNCH,
    asked,
    done,
    event_batch,
    new_job,
)
from sqlalchemy import select, update

Write = Callable[[JobStore, int, int], object]

WRITES: list[Write] = [
    lambda store, job_id, lease: store.update(job_id, lease, pod_name="another"),
    lambda store, job_id, lease: store.update(job_id, lease, status="running"),
    lambda store, job_id, lease: store.heartbeat(job_id, lease),
    lambda store, job_id, lease: store.add_events(job_id, lease, event_batch(1, 3)),
    lambda store, job_id, lease: store.finish(job_id, lease, status="error"),
]
each_write = pytest.mark.parametrize(
    "write", WRITES, ids=["column", "status", "heartbeat", "events", "finish"]
)


def set_columns(options: StoreOptions, job_id: int, **columns: object) -> None:
    """Behind the store's back."""
    done(options, update(jobs).where(jobs.c.id == job_id).values(columns))


def sealed(options: StoreOptions, job_id: int) -> tuple[bool, bool]:
    """Whether launch request and connection are kept."""
    columns = select(jobs.c.sealed_launch, jobs.c.sealed_connection).where(jobs.c.id == job_id)
    (row,) = asked(options, columns)
    return row.sealed_launch is not None, row.sealed_connection is not None


# -- from new to final --


def test_new_job(store: JobStore) -> None:
    before = datetime.now(timezone.utc)
    new = new_job()
    job = store.get(store.create(new))
    assert before - timedelta(seconds=1) < job.created < before + timedelta(minutes=5)
    assert (job.uuid, job.type, job.name, job.status) == (new.uuid, "job", "site.yml", "pending")
    assert (job.wait, job.container_group, job.namespace) == (False, None, "jobs")
    assert (job.failure, job.changed, job.started, job.finished, job.heartbeat) == (
        None,
        None,
        None,
        None,
        None,
    )
    assert (job.elapsed, job.lease, job.event_count, job.cancel_requested) == (0.0, 0, 0, False)
    assert (job.host_status_counts, job.artifacts, job.facts) == ({}, {}, {})
    assert job.pod_deleted, "there is none yet"


def test_since_when_a_job_has_its_status(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    assert store.get(job_id).status_since == store.get(job_id).created
    long_ago = datetime(2026, 1, 1, tzinfo=timezone.utc)
    set_columns(options, job_id, status_since=long_ago.timestamp())
    store.update(job_id, lease, status="pending", job_explanation="waits")
    store.update(job_id, lease, pod_name="pod-1")
    assert store.get(job_id).status_since == long_ago, "it is the same status"
    store.update(job_id, lease, status="running")
    job = store.get(job_id)
    assert job.started is not None and job.status_since >= job.started > long_ago
    store.finish(job_id, lease, status="failed")
    job = store.get(job_id)
    assert job.finished is not None and job.status_since >= job.finished


def test_whole_life_of_a_job(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "controller.test")
    store.update(job_id, lease, status="waiting", pod_name="pod-1", pod_uid="uid-1", pod_deleted=False)
    store.update(job_id, lease, status="running", execution_node="node1")
    running = store.get(job_id)
    assert running.started is not None and running.started.tzinfo is timezone.utc
    assert (running.status, running.owner, running.finished) == ("running", "controller.test", None)
    store.finish(
        job_id,
        lease,
        status="failed",
        failure={"reason": "PlaybookFailed"},
        host_status_counts={"ok": 1, "failed": 2},
        changed=True,
        artifacts={"a": [1, None, "ü"]},
        facts={"memory_peak": 1 << 40},
        pod_deleted=True,
    )
    job = store.get(job_id)
    assert (job.status, job.failure, job.changed) == ("failed", {"reason": "PlaybookFailed"}, True)
    assert (job.host_status_counts, job.artifacts) == ({"ok": 1, "failed": 2}, {"a": [1, None, "ü"]})
    assert (job.facts, job.pod_name, job.execution_node) == ({"memory_peak": 1 << 40}, "pod-1", "node1")
    assert job.started == running.started and job.finished is not None
    assert job.elapsed == pytest.approx((job.finished - job.started).total_seconds(), abs=0.002)
    assert sealed(options, job_id) == (False, False)


def test_job_outlives_the_process(options: StoreOptions) -> None:
    first = JobStore.open(options)
    job_id = first.create(new_job())
    first.close()
    second = JobStore.open(options)
    assert second.get(job_id).name == "site.yml"
    assert (second.launch(job_id), second.connection(job_id)) == (LAUNCH, CONNECTION)
    second.close()


def test_start_is_the_first_one(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    store.update(job_id, lease, status="running")
    set_columns(options, job_id, started=1000.0)
    store.update(job_id, lease, status="running", execution_node="node2")
    assert store.get(job_id).started == datetime.fromtimestamp(1000, timezone.utc)


@pytest.mark.parametrize("number", [12, 0, -1, 1 << 31, 1 << 63, 1 << 100], ids=str)
def test_no_such_job(store: JobStore, number: int) -> None:
    for call in (store.get, store.request_cancel):
        with pytest.raises(Failure, match=f"no job {number} ") as caught:
            call(number)
        assert caught.value.reason == "InvalidConfiguration"


def test_no_such_job_to_claim(store: JobStore) -> None:
    with pytest.raises(LeaseLost):
        store.claim(12, "me")


def test_unknown_column_is_an_error(store: JobStore) -> None:
    job_id = store.create(new_job())
    with pytest.raises(Exception, match="pod_nmae"):
        store.update(job_id, store.claim(job_id, "me"), pod_nmae="x")


@pytest.mark.parametrize("text", ["lone \ud800 surrogate", "NUL \0 inside", "ü🐄\r\n\x1b[0m"], ids=ascii)
def test_any_text_can_be_stored(store: JobStore, text: str) -> None:
    job_id = store.create(new_job(name=text))
    lease = store.claim(job_id, "me")
    store.update(job_id, lease, job_explanation=text)
    store.finish(
        job_id, lease, status="error", result_traceback=text, failure={"msg": text}, artifacts={text: text}
    )
    job = store.get(job_id)
    expected = text.replace("\ud800", "?").replace("\0", "\ufffd")
    assert (job.name, job.job_explanation, job.result_traceback) == (expected, expected, expected)
    assert (job.failure, job.artifacts) == ({"msg": text}, {text: text})


def test_text_that_is_too_long_is_cut(store: JobStore) -> None:
    job_id = store.create(new_job(name="n" * 5000))
    lease = store.claim(job_id, "o" * 5000)
    store.update(job_id, lease, execution_node="e" * 5000, job_explanation="j" * 5000)
    store.finish(job_id, lease, status="successful")
    job = store.get(job_id)
    assert (job.name, job.owner, job.execution_node) == ("n" * 512, "o" * 512, "e" * 253)
    assert job.job_explanation == "j" * 5000


def test_numbers_that_json_does_not_know_become_text(store: JobStore) -> None:
    job_id = store.create(new_job())
    artifacts = {"a": [float("nan"), {"b": float("-inf")}, 1e308, 1 << 70]}
    store.finish(job_id, store.claim(job_id, "me"), status="successful", artifacts=artifacts)
    assert store.get(job_id).artifacts == {"a": ["NaN", {"b": "-Infinity"}, 1e308, 1 << 70]}


def test_no_failure_is_null_in_the_database_too(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    store.finish(job_id, store.claim(job_id, "me"), status="successful", failure=None)
    assert len(asked(options, select(jobs.c.id).where(jobs.c.failure.is_(None)))) == 1


# -- the lease --


def test_each_claim_has_a_higher_number(store: JobStore) -> None:
    job_id, other = store.create(new_job()), store.create(new_job())
    assert [store.claim(job_id, owner) for owner in ("a", "b", "a")] == [1, 2, 3]
    assert store.get(job_id).owner == "a"
    assert store.get(other).lease == 0


@each_write
def test_former_owner_writes_nothing(store: JobStore, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{JobStore.__module__}.HEARTBEAT_AGE", 0.0)
    job_id = store.create(new_job())
    former = store.claim(job_id, "former")
    store.claim(job_id, "present")
    before = store.get(job_id)
    with pytest.raises(LeaseLost):
        write(store, job_id, former)
    assert store.get(job_id) == before
    assert list(store.event_lines(job_id)) == []
    write(store, job_id, before.lease)
    assert store.get(job_id) != before


@each_write
@pytest.mark.parametrize("status", sorted(FINAL))
def test_final_status_never_changes(store: JobStore, status: str, write: Write) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    store.finish(job_id, lease, status=status)
    before = store.get(job_id)
    with pytest.raises(LeaseLost):
        write(store, job_id, lease)
    with pytest.raises(LeaseLost):
        store.claim(job_id, "another")
    store.request_cancel(job_id)
    assert store.get(job_id) == before


def test_final_status_comes_from_finish_only(store: JobStore) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    with pytest.raises(ValueError, match="finish"):
        store.update(job_id, lease, status="successful")
    with pytest.raises(ValueError, match="running"):
        store.finish(job_id, lease, status="running")
    assert store.get(job_id).status == "pending"


# -- cancel and heartbeat --


def test_heartbeat_is_written_only_where_the_last_one_is_old(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    before = store.get(job_id).heartbeat
    assert store.heartbeat(job_id, lease) is False
    assert store.get(job_id).heartbeat == before
    now = time.time()
    for moment in (now - HEARTBEAT_AGE - 1, now + 3600, None):  # old, of a clock that was set back, or none
        set_columns(options, job_id, heartbeat=moment)
        store.heartbeat(job_id, lease)
        found = store.get(job_id).heartbeat
        assert found is not None
        assert abs(found.timestamp() - now) < 600


def test_heartbeat_tells_of_a_cancel(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    assert store.heartbeat(job_id, lease) is False
    other = JobStore.open(options)
    assert other.request_cancel(job_id).cancel_requested
    other.close()
    assert store.heartbeat(job_id, lease) is True


def test_stale_jobs(store: JobStore, options: StoreOptions) -> None:
    now = time.time()
    fresh, silent, unclaimed, ended = (store.create(new_job()) for _job in range(4))
    for job_id in (fresh, silent):
        store.heartbeat(job_id, store.claim(job_id, "me"))
    set_columns(options, silent, heartbeat=now - 500)
    set_columns(options, unclaimed, created=now - 500)
    store.finish(ended, store.claim(ended, "me"), status="successful")
    set_columns(options, ended, heartbeat=now - 500)
    assert [job.id for job in store.stale(400)] == [silent, unclaimed]
    assert store.stale(4000) == []
    store.heartbeat(silent, 1)
    assert [job.id for job in store.stale(400)] == [unclaimed]


def test_of_several_who_take_a_job_over_one_gets_it(store: JobStore) -> None:
    job_id = store.create(new_job())
    lease = store.claim(job_id, "me")
    assert store.claim(job_id, "you", known=lease, controller_node="there") == lease + 1
    with pytest.raises(LeaseLost):
        store.claim(job_id, "they", known=lease)
    record = store.get(job_id)
    assert (record.owner, record.controller_node, record.lease) == ("you", "there", lease + 1)


def test_touch_changes_nothing(store: JobStore) -> None:
    job_id = store.create(new_job())
    store.claim(job_id, "me")
    before = store.get(job_id)
    store.touch(job_id)
    assert store.get(job_id) == before


def test_jobs_of_a_machine(store: JobStore) -> None:
    first, second, ended = (store.create(new_job()) for _job in range(3))
    store.claim(first, "a% 1 1")
    store.claim(second, "ab 1 1")
    store.finish(ended, store.claim(ended, "a% 2 2"), status="successful")
    assert [job.id for job in store.owned_on("a% ")] == [first]


# -- secrets, and pods that are left --


def test_one_at_a_time_tries_to_delete_a_pod_that_was_left(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    store.finish(job_id, store.claim(job_id, "me"), status="error", pod_deleted=False)
    assert not store.claim_pod(job_id, "you", 60)
    set_columns(options, job_id, heartbeat=time.time() - 100)
    assert [job.id for job in store.undeleted_pods(60)] == [job_id]
    assert store.claim_pod(job_id, "you", 60)
    assert not store.claim_pod(job_id, "they", 60)
    assert store.undeleted_pods(60) == []


def test_caller_is_kept_until_the_end(store: JobStore) -> None:
    job_id = store.create(replace(new_job(), caller={"environ": {"A": "b"}}))
    assert store.caller(job_id) == {"environ": {"A": "b"}}
    store.finish(job_id, store.claim(job_id, "me"), status="error")
    with pytest.raises(Failure, match="any more"):
        store.caller(job_id)


def test_connection_stays_until_the_pod_is_gone_and_its_environment_too(
    store: JobStore, options: StoreOptions
) -> None:
    job_id = store.create(replace(new_job(), caller={"environ": {"A": "b"}}))
    lease = store.claim(job_id, "me")
    store.update(job_id, lease, pod_name="pod-1", pod_deleted=False)
    store.pod_removed(job_id)
    assert not store.get(job_id).pod_deleted, "only for jobs that have ended"
    store.finish(job_id, lease, status="error")
    assert sealed(options, job_id) == (False, True)
    assert store.connection(job_id) == CONNECTION
    assert store.caller(job_id) == {"environ": {"A": "b"}}
    assert [job.id for job in store.undeleted_pods(0)] == [job_id]
    assert store.undeleted_pods(3600) == []
    store.pod_removed(job_id)
    assert store.get(job_id).pod_deleted
    assert store.undeleted_pods(0) == []
    assert sealed(options, job_id) == (False, False)
    for read in (store.launch, store.connection, store.caller):
        with pytest.raises(Failure, match="any more"):
            read(job_id)


def test_pod_that_is_kept_is_not_left_over_before_its_time(store: JobStore, options: StoreOptions) -> None:
    job_id = store.create(new_job())
    store.finish(job_id, store.claim(job_id, "me"), status="failed", pod_deleted=False, keep_pod_for=600)
    job = store.get(job_id)
    assert job.finished is not None and job.keep_pod_until is not None
    assert (job.keep_pod_until - job.finished).total_seconds() == 600
    assert store.undeleted_pods(0) == []
    assert sealed(options, job_id) == (False, True)
    set_columns(options, job_id, keep_pod_until=job.finished.timestamp())
    assert [job.id for job in store.undeleted_pods(0)] == [job_id]
    assert store.undeleted_pods(3600) == []


def test_running_job_has_no_pod_left_over(store: JobStore) -> None:
    job_id = store.create(new_job())
    store.update(job_id, store.claim(job_id, "me"), pod_deleted=False)
    assert store.undeleted_pods(0) == []


def test_secret_that_another_key_sealed_is_an_error(
    store: JobStore, options: StoreOptions, tmp_path: Path
) -> None:
    foreign_options = store_options({"data_dir": str(tmp_path / "foreign")}, {}, tmp_path)
    foreign = JobStore.open(foreign_options)
    job_id = store.create(new_job())
    foreign_id = foreign.create(new_job())
    foreign.close()
    ((launch,),) = asked(foreign_options, select(jobs.c.sealed_launch).where(jobs.c.id == foreign_id))
    set_columns(options, job_id, sealed_launch=launch)
    with pytest.raises(Failure, match="secret_key_file"):
        store.launch(job_id)


# -- lists --


def test_lists(store: JobStore) -> None:
    ids = [store.create(new_job()) for _job in range(5)]
    store.update(ids[3], store.claim(ids[3], "me"), status="running")
    assert [job.id for job in store.list()] == ids[::-1]
    assert [job.id for job in store.list(limit=2)] == [ids[4], ids[3]]
    assert [job.id for job in store.list(status="running")] == [ids[3]]
    assert [job.id for job in store.list(status="pending", limit=2)] == [ids[4], ids[2]]
    assert store.list(status="canceled") == []
    assert [job.id for job in store.list(limit=1 << 70)] == ids[::-1]
    assert store.list(limit=0) == []
    with pytest.raises(Failure, match="limit is -1"):
        store.list(limit=-1)
