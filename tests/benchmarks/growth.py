# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How cost grows with events, jobs, the project's size, and the jobs that are stored already."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import NewJob
from ansible_collections.jobpods.controller.tests.benchmarks import ours, workloads
from ansible_collections.jobpods.controller.tests.benchmarks.bench import Bench, Samples
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Sample
from ansible_collections.jobpods.controller.tests.benchmarks.scripted import Replayed
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import as_section
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

STORE_CALLS = 20
"""How often each call of the store is timed."""
FRESH = 60.0


def _grown(
    bench: Bench, name: str, sizes: Sequence[int], run: Callable[[int], Sample], rounds: int = 1
) -> dict[str, Any]:
    samples: Samples = {}
    for size in sizes:
        samples[str(size)] = [bench.one(f"{size} {name}", partial(run, size)) for number in range(rounds)]
    return as_section(samples, sizes=list(sizes), unit=name)


def events(bench: Bench) -> dict[str, Any]:
    """Events of one job, replayed in its pod."""
    replayed = Replayed(bench)
    try:
        sizes = (100, 1000) if bench.quick else (1000, 3000, 10_000, 30_000, 100_000)
        return _grown(bench, "events", sizes, lambda size: replayed.run(1, size, 200.0))
    finally:
        replayed.remove()


def jobs(bench: Bench) -> dict[str, Any]:
    """Jobs at once in one job process, with 100 events each."""
    replayed = Replayed(bench)
    try:
        sizes = (1, 3) if bench.quick else (1, 3, 10, 30)
        return _grown(bench, "jobs at once", sizes, lambda size: replayed.run(size, 100, 200.0), 2)
    finally:
        replayed.remove()


def project(bench: Bench) -> dict[str, Any]:
    """MB of a project that can't be compressed."""
    sizes = (1, 5) if bench.quick else (1, 10, 30, 100)
    made = {size: workloads.large_project(bench.folder / "growing", size) for size in sizes}
    return _grown(
        bench, "MB of project", sizes, lambda size: ours.engine(bench, made[size]), bench.some(2, 1)
    )


def stored(bench: Bench) -> dict[str, Any]:
    """Jobs that the store has already: what it takes to list, make, claim and place one, and to start."""
    sizes = (1, 100) if bench.quick else (1, 1000, 10_000, 100_000)
    workload = workloads.one_task(bench.folder, name="stored")
    machine = bench.controller()
    first = ours.engine(bench, workload, machine)
    if not first.ok:
        raise RuntimeError(first.words)
    samples: Samples = {}
    for size in sizes:
        _fill(machine, size)
        found = [bench.one(f"{size} stored jobs", lambda: ours.engine(bench, workload, machine))]
        for _number in range(bench.some(2, 0)):
            found.append(ours.engine(bench, workload, machine))
        calls = _store_calls(machine)
        listing = ours.Engine(machine, {"limit": 100}, verb="job_info")
        calls["job_info"] = listing.wait(60).final
        for sample in found:
            sample.more.update(calls)
        samples[str(size)] = found
    return as_section(samples, sizes=list(sizes), unit="stored jobs")


def _fill(machine: Controller, size: int) -> None:
    """Copies the first job, which has ended, with its events, until there are so many."""
    with sqlite3.connect(machine.store / "jobpods.db") as database:
        (there,) = database.execute("SELECT count(*) FROM jobs").fetchone()
        columns = [
            row[1] for row in database.execute("PRAGMA table_info(jobs)") if row[1] not in ("id", "uuid")
        ]
        names = ", ".join(f'"{name}"' for name in columns)
        numbers = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
        if size <= there:
            return
        database.execute(
            f"{numbers} INSERT INTO jobs (uuid, {names})"  # noqa: S608 - names of our own tables
            f" SELECT lower(hex(randomblob(16))), {names} FROM jobs, number WHERE id = 1",
            (size - there,),
        )
        database.execute(
            "INSERT INTO events SELECT jobs.id, first_counter, last_counter, lines FROM jobs, events"
            " WHERE job_id = 1 AND jobs.id NOT IN (SELECT job_id FROM events)"
        )
    database.close()


def _store_calls(machine: Controller) -> dict[str, float]:
    """Median seconds of what each launch asks of the store, and of listing."""
    spent: dict[str, list[float]] = {}

    with machine.opened() as store:

        def timed(name: str, call: Callable[[], Any]) -> Any:
            began = time.perf_counter()
            found = call()
            spent.setdefault(name, []).append(time.perf_counter() - began)
            return found

        for _number in range(STORE_CALLS):
            timed("list 100", lambda: store.list(limit=100))
            timed("look for orphans", lambda: (store.stale(FRESH), store.undeleted_pods(FRESH)))
            job = timed("make", lambda: store.create(NewJob(uuid4().hex, "job", "x", True, "here")))
            lease = timed("claim", partial(store.claim, job, "bench", status="pending"))
            timed("place", partial(store.place, job, lease, FRESH))
            timed("finish", partial(store.finish, job, lease, status="canceled"))
    return {name: sorted(values)[len(values) // 2] for name, values in spent.items()}
