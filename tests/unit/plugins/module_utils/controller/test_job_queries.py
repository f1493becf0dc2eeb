# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked every half second, by each job's process, looks at few rows where 100,000 jobs are stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.cleanup import JobCleanup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import JOB_TYPES
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import events, jobs
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    connected,
    event_batch,
    new_job,
)
from sqlalchemy import Engine, String, cast, event, func, insert, literal, select, text

STORED = 100_000
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}
WHOLE = re.compile(r"SCAN (jobs|events)(?! USING INDEX jobs_with_pods)|Seq Scan on (jobs|events)")
"""Signs of a table, or of an index, that is read from its beginning to its end; few jobs are in that one."""


def fill(options: StoreOptions, ended: int) -> None:
    """Stores many jobs, and their events, like one that has ended."""
    start = select(literal(1).label("number")).cte("numbers", recursive=True)
    numbers = start.union_all(select(start.c.number + 1).where(start.c.number < STORED))
    names = [column.name for column in jobs.c if column.name not in ("id", "uuid")]
    like = select(cast(numbers.c.number, String), *(jobs.c[name] for name in names)).select_from(
        jobs.join(numbers, jobs.c.id == ended)
    )
    with connected(options) as connection:
        newest = connection.execute(select(func.max(jobs.c.id))).scalar_one()
        connection.execute(insert(jobs).from_select(["uuid", *names], like))
        lines = select(jobs.c.id, literal(1), literal(3), events.c.lines).select_from(
            jobs.join(events, (events.c.job_id == ended) & (jobs.c.id > newest))
        )
        connection.execute(
            insert(events).from_select(["job_id", "first_counter", "last_counter", "lines"], lines)
        )
        if options.database_file is None:
            connection.execute(text("ANALYZE"))  # as a server does by itself


@contextmanager
def watched() -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed in the block, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def watch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_others: Any) -> None:
        seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", watch)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", watch)


def plans(options: StoreOptions, statements: Sequence[tuple[str, Any]]) -> str:
    """How the database would execute statements."""
    lines: list[str] = []
    with connected(options) as connection:
        explain = EXPLAIN[connection.dialect.name]
        for statement, parameters in statements:
            if statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "WITH"):
                plan = connection.exec_driver_sql(explain + statement, parameters)
                lines += [str(row[-1]) for row in plan]
    return "\n".join(lines)


def test_no_query_of_those_reads_a_whole_table(store: JobStore, options: StoreOptions) -> None:
    ended, running = (store.create(new_job()) for _job in range(2))
    lease = store.claim(ended, "me")
    store.add_events(ended, lease, event_batch(1, 3))
    store.finish(ended, lease, status="successful", pod_deleted=True)
    lease = store.claim(running, "me")
    fill(options, ended)
    cleanup = JobCleanup(options, days=0, types=JOB_TYPES, dry_run=True)
    calls: dict[str, Callable[[], object]] = {
        "claim": lambda: store.claim(running, "me"),
        "update": lambda: store.update(running, lease + 1, status="running"),
        "heartbeat": lambda: store.heartbeat(running, lease + 1),
        "add_events": lambda: store.add_events(running, lease + 1, event_batch(1, 3)),
        "request_cancel": lambda: store.request_cancel(running),
        "get": lambda: store.get(running),
        "event_lines": lambda: list(store.event_lines(ended + 1000, 2)),
        "stdout": lambda: store.stdout(ended + 1000, 10),
        "list": lambda: store.list(status="running", limit=100),
        "stale": lambda: store.stale(0),
        "undeleted_pods": lambda: store.undeleted_pods(0),
        "finish": lambda: store.finish(running, lease + 1, status="failed", pod_deleted=False),
        "pod_removed": lambda: store.pod_removed(running),
        "cleanup": cleanup.step,
    }
    found: dict[str, str] = {}
    for name, call in calls.items():
        with watched() as statements:
            call()
        found[name] = plans(options, statements)
    cleanup.close()
    assert {name: plan for name, plan in found.items() if WHOLE.search(plan)} == {}
    assert "jobs_with_pods" in found["undeleted_pods"]
    assert "jobs_by_status" in found["stale"]


@pytest.mark.parametrize(
    "statement", ["SELECT name FROM jobs WHERE name = 'x'", "UPDATE jobs SET wait = wait"]
)
def test_whole_tables_are_noticed(store: JobStore, options: StoreOptions, statement: str) -> None:
    assert WHOLE.search(plans(options, [(statement, ())]))
