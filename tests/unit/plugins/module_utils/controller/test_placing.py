# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for jobs in the store: which counts, who comes first, and what is written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    CONTROLPLANE,
    container_groups,
    job_templates,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import (
    Pending,
    Placed,
    try_place,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    new_job,
)
from sqlalchemy import Connection, Engine, Table, delete, event, insert, select, update

FRESH = 600.0


class Queue:
    """A store with groups and jobs."""

    def __init__(self, store: JobStore, database: Database) -> None:
        self.store = store
        self.database = database
        self.leases: dict[int, int] = {}

    def group(self, name: str, **limits: int) -> int:
        return self._insert(container_groups, {"name": name, "settings": limits})

    def template(self, name: str) -> int:
        return self._insert(job_templates, {"name": name})

    def _insert(self, table: Table, row: dict[str, Any]) -> int:
        def work(connection: Connection) -> int:
            (number,) = connection.execute(insert(table), row).inserted_primary_key or (0,)
            return int(number)

        return self.database.write(work)

    def job(self, *candidates: int, **columns: Any) -> int:
        """A pending job with an owner."""
        job_id = self.store.create(new_job())
        self.set(job_id, candidates=list(candidates), **columns)
        self.leases[job_id] = self.store.claim(job_id, "me")
        return job_id

    def set(self, job_id: int, **columns: Any) -> None:
        self.database.write(
            lambda connection: connection.execute(update(jobs).where(jobs.c.id == job_id).values(columns))
        )

    def place(self, job_id: int) -> Placed | Pending:
        return self.store.place(job_id, self.leases[job_id], FRESH)

    def placed(self, job_id: int) -> int | None:
        found = self.place(job_id)
        assert isinstance(found, Placed)
        return found.group_id

    def explanation(self, job_id: int) -> str:
        found = self.place(job_id)
        assert isinstance(found, Pending)
        return found.explanation

    def finish(self, job_id: int) -> None:
        self.store.finish(job_id, self.leases[job_id], status="successful")

    def columns(self, job_id: int) -> tuple[Any, ...]:
        """Status, group and the name of the group, and the explanation."""
        chosen = (jobs.c.status, jobs.c.container_group_id, jobs.c.container_group, jobs.c.job_explanation)
        statement = select(*chosen).where(jobs.c.id == job_id)
        return tuple(self.database.read(lambda connection: connection.execute(statement).one()))


@pytest.fixture
def queue(store: JobStore, options: StoreOptions) -> Iterator[Queue]:
    database = Database(options)
    yield Queue(store, database)
    database.close()


def test_what_is_written(queue: Queue) -> None:
    group = queue.group("prod")
    job = queue.job(group, job_explanation="waits")
    younger = queue.job(group)
    assert queue.place(job) == Placed(group, "prod")
    assert queue.columns(job) == ("waiting", group, "prod", "")
    assert queue.columns(younger) == ("pending", None, None, ""), "it asks for itself"


def test_a_place_is_kept_until_the_end(queue: Queue) -> None:
    """Also while the job is pending again, because of a quota."""
    group, other = queue.group("prod", max_concurrent_jobs=1), queue.group("other")
    first, second = queue.job(group), queue.job(group)
    assert queue.placed(first) == group
    for status in ("running", "pending"):
        queue.set(first, status=status, candidates=[other])
        assert "prod has 1 of 1 jobs" in queue.explanation(second)
        assert queue.placed(first) == group
        assert queue.columns(first)[:2] == (status, group)
    queue.finish(first)
    assert queue.placed(second) == group


def test_impacts_count(queue: Queue) -> None:
    group = queue.group("prod", max_forks=10)
    first, second, third = (queue.job(group, task_impact=size) for size in (6, 5, 4))
    assert queue.placed(first) == group
    assert "prod has 6 of 10 forks in use (max_forks), and this job takes 5" in queue.explanation(second)
    assert f"is kept for job {second}" in queue.explanation(third)
    queue.finish(first)
    assert queue.placed(third) == group, "there is room for both, also before the older one has asked again"
    assert queue.placed(second) == group


def test_overflow(queue: Queue) -> None:
    one, two = queue.group("one", max_concurrent_jobs=1), queue.group("two", max_concurrent_jobs=1)
    line = [queue.job(one, two) for _index in range(3)]
    assert [queue.placed(job) for job in line[:2]] == [one, two]
    explanation = queue.explanation(line[2])
    assert "one has 1 of 1 jobs (max_concurrent_jobs); two has 1 of 1 jobs" in explanation
    queue.finish(line[1])
    assert queue.placed(line[2]) == two


def test_in_order(queue: Queue) -> None:
    """A younger job that asks first leaves the room to an older one."""
    group = queue.group("prod", max_concurrent_jobs=1)
    older, younger = queue.job(group), queue.job(group)
    assert "prod has 1 of 1 jobs" in queue.explanation(younger)
    assert queue.columns(older)[0] == "pending"
    assert queue.placed(older) == group


def test_jobs_of_dead_owners_are_passed_over(queue: Queue) -> None:
    group = queue.group("prod", max_concurrent_jobs=1)
    dead, unborn, alive = queue.job(group), queue.job(group), queue.job(group)
    queue.set(dead, heartbeat=1.0)
    queue.set(unborn, heartbeat=None)
    assert "prod has 1 of 1 jobs" in queue.explanation(alive), "one without a heartbeat was just launched"
    queue.set(unborn, created=1.0)
    assert queue.placed(alive) == group
    assert "prod has 1 of 1 jobs" in queue.explanation(dead)
    queue.set(alive, heartbeat=1.0)
    assert "prod has 1 of 1 jobs" in queue.explanation(dead), "what runs counts, whoever owns it"


def test_two_at_once(queue: Queue, options: StoreOptions) -> None:
    """The second waits until the first has its place, though it would not have seen that otherwise."""
    group = queue.group("prod", max_concurrent_jobs=1)
    older, younger = queue.job(group), queue.job(group)
    queue.set(older, heartbeat=1.0)
    found: list[Placed | Pending] = []

    def second() -> None:
        database = Database(options)
        found.append(
            database.write(lambda connection: try_place(connection, older, queue.leases[older], FRESH))
        )
        database.close()

    thread = threading.Thread(target=second)

    def first(connection: Connection) -> Placed | Pending:
        placed = try_place(connection, younger, queue.leases[younger], FRESH)
        thread.start()
        thread.join(0.5)  # it would be ready by now, if it did not wait
        return placed

    assert queue.database.write(first) == Placed(group, "prod")
    thread.join(60)
    assert [type(each) for each in found] == [Pending]


def test_controlplane_counts_and_is_no_group_of_pods(queue: Queue) -> None:
    statement = select(container_groups.c.id).where(container_groups.c.name == CONTROLPLANE)
    group = queue.database.read(lambda connection: connection.execute(statement).scalar_one())
    limits = update(container_groups).where(container_groups.c.id == group).values(settings={"max_forks": 8})
    queue.database.write(lambda connection: connection.execute(limits))
    first, second = (queue.job(group, task_impact=6) for _index in range(2))
    assert queue.place(first) == Placed(group, None)
    assert queue.columns(first) == ("waiting", group, None, "")
    assert "controlplane has 6 of 8 forks in use" in queue.explanation(second)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"type": "workflow_job"}, id="workflow job"),
        pytest.param({"type": "project_update", "launch_type": "sync"}, id="sync"),
        pytest.param({"candidates": None, "container_group": "inline"}, id="inline group"),
    ],
)
def test_who_needs_no_place(queue: Queue, columns: dict[str, Any]) -> None:
    group = queue.group("prod", max_concurrent_jobs=1)
    assert queue.placed(queue.job(group)) == group
    job = queue.job()
    queue.set(job, **{"candidates": [group], **columns})
    assert queue.place(job) == Placed(None, columns.get("container_group"))
    assert queue.columns(job)[:3] == ("waiting", None, columns.get("container_group"))


def test_blocked(queue: Queue) -> None:
    group = queue.group("prod", max_concurrent_jobs=2)
    mine = {"job_template_id": queue.template("mine"), "allow_simultaneous": False}
    first, second = queue.job(group, **mine), queue.job(group, **mine)
    third = queue.job(group)
    assert queue.explanation(second) == f"waiting for job-{first} to finish", "the older one comes first"
    assert queue.placed(first) == group
    assert queue.explanation(second) == f"waiting for job-{first} to finish"
    assert queue.placed(third) == group, "a blocked job does not block younger ones"
    queue.finish(first)
    assert queue.placed(second) == group


def test_a_job_that_waits_for_room_blocks_younger_ones_of_its_template(queue: Queue) -> None:
    """Else it would have to wait for them when its room comes."""
    full, free = queue.group("full", max_concurrent_jobs=1), queue.group("free")
    mine = {"job_template_id": queue.template("mine"), "allow_simultaneous": False}
    assert queue.placed(queue.job(full)) == full
    older, younger = queue.job(full, **mine), queue.job(free, **mine)
    assert queue.explanation(younger) == f"waiting for job-{older} to finish"


def test_groups_that_have_changed_since_the_launch(queue: Queue) -> None:
    group, gone = queue.group("prod"), queue.group("gone")
    both, lost, big = queue.job(gone, group), queue.job(gone), queue.job(group, task_impact=6)
    small = {"max_forks": 5}
    queue.database.write(
        lambda connection: (
            connection.execute(delete(container_groups).where(container_groups.c.id == gone)),
            connection.execute(update(container_groups).values(settings=small)),
        )
    )
    assert queue.placed(both) == group
    with pytest.raises(Failure, match="have been deleted") as deleted:
        queue.place(lost)
    with pytest.raises(Failure, match=r"takes 6 forks .* \(prod 5\)") as too_big:
        queue.place(big)
    assert {deleted.value.reason, too_big.value.reason} == {"InvalidConfiguration"}


def test_the_lease_counts(queue: Queue) -> None:
    job = queue.job(queue.group("prod"))
    newer = queue.store.claim(job, "another")
    with pytest.raises(LeaseLost):
        queue.place(job)
    assert queue.columns(job)[0] == "pending"
    queue.leases[job] = newer
    queue.finish(job)
    with pytest.raises(LeaseLost):
        queue.place(job)


def test_ended_jobs_are_not_read(tmp_path: Path) -> None:
    """However many there are: what is looked for is found by an index; SQLite tells how it looks."""
    options = store_options({"data_dir": str(tmp_path)}, {}, tmp_path)
    queue = Queue(JobStore.open(options), Database(options))
    job = queue.job(queue.group("prod"))
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "jobs" in statement:
            statements.append((f"EXPLAIN QUERY PLAN {statement}", parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        queue.placed(job)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(statements) == 3, "two looks and a change"

    def explain(connection: Connection) -> list[str]:
        plans = [connection.exec_driver_sql(words, values).all() for words, values in statements]
        return [step.detail for steps in plans for step in steps if "jobs" in step.detail]

    reads = queue.database.read(explain)
    assert len(reads) == 3
    assert [read for read in reads if not read.startswith("SEARCH jobs USING")] == []
    queue.database.close()
    queue.store.close()


# -- several at once --


def test_several_are_seen_at_once_as_each_would_be(queue: Queue) -> None:
    small, large = queue.group("small", max_concurrent_jobs=1), queue.group("large", max_forks=9)
    template = queue.template("t")
    running = queue.job(small)
    assert queue.placed(running) == small
    same = {"job_template_id": template, "allow_simultaneous": False}
    numbers = [
        queue.job(small),
        queue.job(small),
        queue.job(large, task_impact=6),
        queue.job(large, task_impact=6, **same),
        queue.job(large, task_impact=1, **same),
        queue.job(large, task_impact=20),
        queue.job(),
    ]
    leases = {number: queue.leases[number] for number in numbers}
    seen = queue.store.look(leases, FRESH)
    first, second, placed, third, blocked, never, groupless = numbers
    assert seen.keys() == {first, second, third, blocked}
    assert seen[blocked].explanation == f"waiting for job-{third} to finish"
    assert "6 of 9 forks in use" in seen[third].explanation
    assert {number: found.explanation for number, found in seen.items() if number != third} == {
        number: queue.explanation(number) for number in (first, second, blocked)
    }
    assert (queue.placed(placed), queue.placed(groupless)) == (large, None)
    with pytest.raises(Failure, match="max_forks"):
        queue.place(never)
    assert queue.store.look({first: queue.leases[first] + 1}, FRESH) == {}
