# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's events in the store: whole, once, in order, and what they printed."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    LeaseLost,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import events
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    done,
    event_batch,
    new_job,
    printed,
)
from sqlalchemy import update


class StoredJob:
    """A job that takes events."""

    def __init__(self, store: JobStore) -> None:
        self.store = store
        self.id = store.create(new_job())
        self.lease = store.claim(self.id, "me")

    def add(self, first: int, last: int, offset: int | None = None) -> None:
        self.store.add_events(self.id, self.lease, event_batch(first, last, offset))

    def counters(self, after: int = 0) -> list[int]:
        return [event["counter"] for event in self.store.events(self.id, after)]

    @property
    def reached(self) -> tuple[int, int]:
        record = self.store.get(self.id)
        return record.event_count, record.stored_offset


@pytest.fixture
def job(store: JobStore) -> StoredJob:
    return StoredJob(store)


def whole_output(last: int) -> str:
    return "".join(f"{printed(counter)}\n" for counter in range(1, last + 1) if printed(counter))


def test_no_events(job: StoredJob) -> None:
    assert job.counters() == []
    assert job.store.stdout(job.id) == ("", False)
    assert job.store.stdout(job.id, 0) == ("", False)


def test_lines_come_back_as_they_were(job: StoredJob) -> None:
    batches = [event_batch(1, 40), event_batch(41, 41), event_batch(42, 100)]
    for batch in batches:
        job.store.add_events(job.id, job.lease, batch)
    assert b"\n".join(job.store.event_lines(job.id)) + b"\n" == b"".join(batch.lines for batch in batches)
    assert job.reached == (100, 10000)


@pytest.mark.parametrize("after", [0, 1, 39, 40, 41, 99, 100, 1000])
def test_events_after_a_counter(job: StoredJob, after: int) -> None:
    for first, last in ((1, 40), (41, 41), (42, 100)):
        job.add(first, last)
    assert job.counters(after) == list(range(after + 1, 101))


@pytest.mark.parametrize(
    "again",
    [(1, 10), (11, 20), (3, 7), (20, 20)],
    ids=["first", "last", "inside", "one"],
)
def test_batch_that_is_stored_is_left_out(job: StoredJob, again: tuple[int, int]) -> None:
    job.add(1, 10)
    job.add(11, 20)
    job.add(*again)
    assert job.counters() == list(range(1, 21))
    assert job.reached == (20, 2000), "nothing goes back"


@pytest.mark.parametrize("again", [(1, 25), (10, 25), (20, 25), (21, 25)], ids=str)
def test_batch_that_is_stored_in_part_adds_the_rest(job: StoredJob, again: tuple[int, int]) -> None:
    job.add(1, 10)
    job.add(11, 20)
    job.add(*again)
    assert job.counters() == list(range(1, 26))
    assert job.store.stdout(job.id) == (whole_output(25), False)
    assert job.reached == (25, 2500)


def test_offset_goes_on_without_events(job: StoredJob) -> None:
    job.add(1, 10, offset=500)
    job.store.add_events(job.id, job.lease, EventBatch(11, 10, b"", 900))
    assert job.counters() == list(range(1, 11))
    assert job.reached == (10, 900)


def test_events_after_a_gap_are_still_read(job: StoredJob) -> None:
    job.add(1, 10)
    job.add(15, 20)
    for after in (9, 10, 12):
        assert job.counters(after) == [*range(after + 1, 11), *range(15, 21)]


def test_jobs_have_their_own_events(job: StoredJob) -> None:
    other = StoredJob(job.store)
    job.add(1, 3)
    other.add(1, 5)
    assert (job.counters(), other.counters()) == ([1, 2, 3], [1, 2, 3, 4, 5])


def test_carriage_return_between_tokens_is_no_end_of_line(job: StoredJob) -> None:
    lines = b'{"counter": 1,\r"stdout": "a"}\n{"counter": 2,\r\t"stdout": "b"}\r\n'
    job.store.add_events(job.id, job.lease, EventBatch(1, 2, lines, 10))
    assert job.counters() == [1, 2]
    assert job.counters(1) == [2]
    assert job.store.stdout(job.id) == ("a\nb\n", False)


def test_lone_surrogates_in_output(job: StoredJob) -> None:
    lines = json.dumps({"counter": 1, "stdout": "a\ud800b"}).encode()
    job.store.add_events(job.id, job.lease, EventBatch(1, 1, lines + b"\n", 10))
    assert job.store.stdout(job.id) == ("a?b\n", False)
    assert job.store.stdout(job.id, 3) == ("?b\n", True)


@pytest.mark.parametrize("limit", [*range(12), 40, 100, 999, 1000, 1001, 2500, 5000])
def test_tail_of_the_output_is_the_whole_ones(job: StoredJob, limit: int) -> None:
    for first in range(1, 100, 11):
        job.add(first, first + 10)
    whole = whole_output(99)
    size = len(whole.encode())
    assert job.store.stdout(job.id) == (whole, False)
    tail, truncated = job.store.stdout(job.id, limit)
    expected = whole.encode()[max(0, size - limit) :].decode("utf-8", "ignore")
    assert (tail, truncated) == (expected, limit < size)


@pytest.mark.parametrize("more", [0, 1])
def test_output_of_just_the_limit_is_whole(job: StoredJob, more: int) -> None:
    job.add(1, 6)
    job.add(7, 13)
    size = len(whole_output(13).encode())
    assert job.store.stdout(job.id, size + more) == (whole_output(13), False)
    assert job.store.stdout(job.id, size - 1)[1] is True


def test_tail_is_read_without_the_beginning(job: StoredJob, options: StoreOptions) -> None:
    for first in range(1, 1000, 100):
        job.add(first, first + 99)
    done(options, update(events).where(events.c.first_counter <= 700).values(lines=b"x"))
    assert job.store.stdout(job.id, 1000)[0] == whole_output(1000).encode()[-1000:].decode("utf-8", "ignore")
    assert job.counters(850) == list(range(851, 1001))


def test_columns_of_the_row_are_stored_together_with_events(job: StoredJob) -> None:
    start = [{"phase": "playbook", "at": 5.0, "seconds": 0.5, "detail": "First"}]
    batch = EventBatch(1, 1, b'{"counter": 1}\n', 15, {"start": start})
    job.store.add_events(job.id, job.lease, batch)
    record = job.store.get(job.id)
    assert (record.start, record.event_count, record.stored_offset) == (start, 1, 15)
    job.store.claim(job.id, "another")
    with pytest.raises(LeaseLost):
        job.store.add_events(job.id, job.lease, EventBatch(2, 2, b'{"counter": 2}\n', 30, {"start": []}))
    assert job.store.get(job.id).start == start


@pytest.mark.parametrize("started", [False, True], ids=["not-started", "started-unseen"])
def test_next_attempt_starts_anew(job: StoredJob, started: bool) -> None:
    other = StoredJob(job.store)
    other.add(1, 3)
    job.store.update(job.id, job.lease, pod_name="p1", pod_uid="u1", pod_deleted=False, execution_node="n")
    job.add(1, 20)
    lost = {"attempt": 1, "pod_name": "p1", "execution_node": "n", "reason": "NodeLost", "message": "It is."}
    start = [{"phase": "queued", "at": 5.0, "seconds": None, "detail": "again"}]
    job.store.next_attempt(job.id, job.lease, lost, start, started=started)
    record = job.store.get(job.id)
    assert (record.status, record.start) == ("waiting", start)
    assert (record.pod_name, record.pod_uid, record.pod_deleted, record.execution_node) == ("", "", True, "")
    (attempt,) = record.attempts
    assert (attempt.pop("finished") > 0, attempt.pop("started") is None) == (True, not started)
    assert attempt == lost
    assert (job.reached, job.counters(), job.store.stdout(job.id)) == ((0, 0), [], ("", False))
    job.add(1, 5)
    assert (job.reached[0], job.counters(), other.counters()) == (5, [1, 2, 3, 4, 5], [1, 2, 3])


def test_next_attempt_says_when_the_lost_one_was_started(job: StoredJob) -> None:
    job.store.update(job.id, job.lease, status="running")
    started = job.store.get(job.id).started
    lost = {"attempt": 1, "pod_name": "p1", "execution_node": "n", "reason": "NodeLost", "message": "It is."}
    job.store.next_attempt(job.id, job.lease, lost, started=True)
    record = job.store.get(job.id)
    assert started is not None
    assert record.started is None
    assert datetime.fromtimestamp(record.attempts[0]["started"], timezone.utc) == started


def test_next_attempt_of_a_job_of_somebody_else(job: StoredJob) -> None:
    job.add(1, 3)
    job.store.claim(job.id, "another")
    with pytest.raises(LeaseLost):
        job.store.next_attempt(job.id, job.lease, {"attempt": 1, "message": ""}, started=True)
    assert (job.counters(), job.store.get(job.id).attempts) == ([1, 2, 3], [])


# -- what runs now --

START = {"event": "playbook_on_start", "event_data": {}}
PLAY = {"event": "playbook_on_play_start", "event_data": {"play": "all"}}
FIRST = {"event": "playbook_on_task_start", "event_data": {"play": "all", "task": "First"}}
OK = {"event": "runner_on_ok", "event_data": {"play": "all", "task": "First", "host": "a"}}
SECOND = {"event": "playbook_on_handler_task_start", "event_data": {"play": "all", "task": "Second"}}
NOISE = {"event": "verbose", "event_data": {}}
STATS = {"event": "playbook_on_stats", "event_data": {"ok": {"a": 1}}}


@pytest.mark.parametrize(
    ("told", "task"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([START, PLAY], "", id="play"),
        pytest.param([START, PLAY, FIRST], "First", id="task"),
        pytest.param([START, PLAY, FIRST, OK, NOISE, NOISE], "First", id="noise-after-it"),
        pytest.param([START, PLAY, FIRST, OK, SECOND], "Second", id="handler"),
        pytest.param([START, PLAY, FIRST, OK, PLAY, NOISE], "", id="next-play"),
        pytest.param([START, PLAY, FIRST, OK, STATS], "", id="recap"),
        pytest.param([START, {"event": "x", "event_data": "no mapping"}], "", id="odd-data"),
        pytest.param([FIRST, {"event": "x", "event_data": {"task": ["no text"]}}], "First", id="odd-task"),
        pytest.param([{"event": "x", "event_data": {"task": "x" * 600}}], "x" * 511 + "…", id="long"),
    ],
)
@pytest.mark.parametrize("size", [1, 10], ids=["many-batches", "one-batch"])
def test_current_task(job: StoredJob, told: list[dict[str, object]], task: str, size: int) -> None:
    lines = [json.dumps({"counter": number, **each}).encode() for number, each in enumerate(told, 1)]
    for first in range(0, len(lines), size):
        some = lines[first : first + size]
        batch = EventBatch(first + 1, first + len(some), b"".join(line + b"\n" for line in some), first + 1)
        job.store.add_events(job.id, job.lease, batch)
    assert job.store.current_task(job.id) == task
