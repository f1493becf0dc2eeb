# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events come to the store in their order and in batches, and only then the supervisor may forget them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    LeaseLost,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import recorder
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch, RunnerStream
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import Recorder, StoreCalls
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_lines import (
    event,
    line,
)

DEADLINE = 30
FULL = Failure("InvalidConfiguration", "The database can't be used: disk full.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore.open(store_options({"data_dir": str(tmp_path / "store")}, {}, tmp_path))
    yield opened
    opened.close()


class Scene:
    """A recorder of a job, and what it stores and tells.

    Attributes:
        batches: what came to the store, in one transaction each.
        reached: the offsets that were told, each with the counter of the last event that was stored then.
    """

    def __init__(self, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.calls = store, StoreCalls()
        self.job_id = store.create(NewJob("u" * 32, "job", "n", True, "here", None, "jobs", {}, {}))
        self.lease = store.claim(self.job_id, "here")
        self.batches: list[EventBatch] = []
        self.reached: list[tuple[int, int]] = []
        self.error: Exception | None = None
        add_events = store.add_events

        def add(job_id: int, lease: int, batch: EventBatch) -> None:
            if self.error is not None:
                raise self.error
            add_events(job_id, lease, batch)
            self.batches.append(batch)

        monkeypatch.setattr(store, "add_events", add)
        self._stream = RunnerStream()
        self.recorder = Recorder(store, self.calls, self.job_id, self.lease, self.note)

    async def note(self, offset: int) -> None:
        self.reached.append((offset, self.recorder.stored_events))

    async def flush(self) -> None:
        async with deadline(DEADLINE):
            await self.recorder.flush()

    def batch(self, *lines: bytes) -> Batch:
        """What the runner's stream makes of these lines."""
        return self._stream.feed(b"".join(lines))

    def anew(self) -> None:
        """From now on it is the output of another attempt."""
        self._stream = RunnerStream()

    @property
    def counters(self) -> list[int]:
        return [event["counter"] for event in self.store.events(self.job_id)]


@pytest.fixture
async def scene(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    made = Scene(store, monkeypatch)
    yield made
    await made.recorder.close()
    made.calls.close()


async def test_what_comes_together_is_stored_together(scene: Scene) -> None:
    batches = [scene.batch(event(counter, "verbose", "x")) for counter in range(1, 51)]
    for batch in batches:
        scene.recorder.add(batch)
    await scene.flush()
    (stored,) = scene.batches
    assert (stored.first_counter, stored.last_counter) == (1, 50)
    assert stored.lines == b"".join(bytes(batch.lines) for batch in batches)
    assert scene.reached == [(batches[-1].offset, 50)]
    assert scene.counters == list(range(1, 51))
    assert scene.store.get(scene.job_id).stored_offset == batches[-1].offset


async def test_transactions_stay_small_and_in_order(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_BATCH", 1000)
    sizes = [100, 100, 5000, 100, 100, 900, 900, 5000]
    for counter, size in enumerate(sizes, 1):
        scene.recorder.add(scene.batch(event(counter, "verbose", "x" * size)))
    await scene.flush()
    assert [(batch.first_counter, batch.last_counter) for batch in scene.batches] == [
        (1, 2),
        (3, 3),
        (4, 5),
        (6, 6),
        (7, 7),
        (8, 8),
    ]
    assert [counter for _offset, counter in scene.reached] == [2, 3, 5, 6, 7, 8]
    assert [offset for offset, _counter in scene.reached] == [batch.stored_offset for batch in scene.batches]
    assert scene.counters == list(range(1, len(sizes) + 1))


async def test_output_without_events_stays_in_the_pod(scene: Scene) -> None:
    """Whoever takes the job over starts at the offset that is stored with the last events."""
    scene.recorder.add(scene.batch(line(status="starting"), line(status="running")))
    await scene.flush()
    assert (scene.batches, scene.reached) == ([], [])
    batch = scene.batch(event(1, "verbose"))
    scene.recorder.add(batch)
    await scene.flush()
    assert scene.reached == [(batch.offset, 1)]
    assert scene.store.get(scene.job_id).stored_offset == batch.offset


async def test_much_output_without_events_is_noted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "SILENT", 1)
    batch = scene.batch(line(event="keepalive", counter=0, uuid=0))
    scene.recorder.add(batch)
    await scene.flush()
    assert scene.reached == [(batch.offset, 0)]
    assert scene.store.get(scene.job_id).stored_offset == batch.offset


async def test_another_attempt_counts_from_the_beginning(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "SILENT", 20)
    lost = {"attempt": 1, "message": ""}
    for counter in range(1, 4):
        scene.recorder.add(scene.batch(event(counter, "verbose")))

    async def forget() -> None:
        assert scene.counters == [1, 2, 3]
        scene.store.next_attempt(scene.job_id, scene.lease, lost, started=True)

    await scene.recorder.start_anew(forget)
    scene.anew()
    assert (scene.counters, scene.recorder.stored_events) == ([], 0)
    silent = scene.batch(line(event="keepalive", counter=0, uuid=0))
    scene.recorder.add(silent)
    await scene.flush()
    assert scene.store.get(scene.job_id).stored_offset == silent.offset
    scene.recorder.add(scene.batch(event(1, "verbose")))
    await scene.flush()
    assert (scene.counters, scene.recorder.stored_events) == ([1], 1)


async def test_flush_waits_for_all_and_for_nothing(scene: Scene) -> None:
    await scene.flush()
    for counter in range(1, 4):
        scene.recorder.add(scene.batch(event(counter, "verbose")))
        await scene.flush()
        assert scene.counters[-1] == scene.recorder.stored_events == counter


async def test_nothing_is_reached_that_is_not_stored(scene: Scene) -> None:
    scene.recorder.add(scene.batch(event(1, "verbose")))
    await scene.flush()
    scene.error = FULL
    scene.recorder.add(scene.batch(event(2, "verbose")))
    with pytest.raises(Failure, match="disk full"):
        await scene.flush()
    assert scene.recorder.broken.exception() is FULL
    assert [counter for _offset, counter in scene.reached] == [1]
    assert scene.recorder.stored_events == 1
    with pytest.raises(Failure, match="disk full"):  # nor is anything that comes later
        scene.recorder.add(scene.batch(event(3, "verbose")))
        await scene.flush()
    assert scene.counters == [1]


async def test_job_of_another_owner_is_not_written_about(scene: Scene) -> None:
    scene.store.claim(scene.job_id, "there")
    scene.recorder.add(scene.batch(event(1, "verbose")))
    with pytest.raises(LeaseLost):
        await scene.flush()
    assert (scene.counters, scene.reached) == ([], [])


async def test_close_drops_what_is_not_stored(scene: Scene) -> None:
    scene.recorder.add(scene.batch(event(1, "verbose")))
    await scene.recorder.close()
    assert scene.counters == []


async def test_store_is_called_in_one_thread_one_call_after_the_other() -> None:
    calls = StoreCalls()
    order: list[int] = []

    def work(number: int, *, slow: bool) -> int:
        if slow:
            gate.wait(DEADLINE)
        order.append(number)
        return threading.get_ident()

    gate = threading.Event()
    async with deadline(DEADLINE):
        tasks = [asyncio.ensure_future(calls(work, number, slow=number == 0)) for number in range(5)]
        await asyncio.sleep(0)
        gate.set()
        threads = set(await asyncio.gather(*tasks))
    assert order == [0, 1, 2, 3, 4]
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    with pytest.raises(ZeroDivisionError):
        await calls(divmod, 1, 0)
    calls.close()
