# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/scale.md: what many jobs would take, reckoned from the kept results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import HEARTBEAT_AGE
from ansible_collections.jobpods.controller.plugins.module_utils.job.owner import HEARTBEAT_INTERVAL
from ansible_collections.jobpods.controller.tests.benchmarks.measure import line
from ansible_collections.jobpods.controller.tests.benchmarks.results import (
    Results,
    Value,
    cpu,
    grown,
    memory,
    more,
    number,
    quotient,
    table,
)
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import ENGINE, MODULE
from ansible_collections.jobpods.controller.tests.benchmarks.targets import per_event, thousand

JOBS_AN_HOUR, NODES = 10_000, 500
MINUTES, EVENTS = 5, 500
"""Of a job: how long it runs, and how many events it has."""
ROW_WRITES = 10
"""Of a job besides heartbeats and events: made, claimed, placed, kept, its pod, running, ended, pod gone."""
BATCHES_A_MINUTE = 60
"""Transactions with events, where a playbook prints something every second."""
CORES, MEMORY = 8, 32
"""Of a machine: a controller has this, and GB of memory."""
ADVICE = """
Several controllers share a database on PostgreSQL, where writers of different jobs don't wait for each other.
Each launch has a job process of its own, so that memory grows with the jobs at once, unless they are slices
or nodes of a workflow.
"""
HEAD = Path(__file__).with_name("scale_head.md")


@dataclass(frozen=True)
class Needs:
    """What so many jobs take, from what one takes.

    Attributes:
        cpu_job: seconds of the controller's CPU for a job, with a job process of its own.
        cpu_module: the same by the module, `ansible-playbook` included.
        cpu_more: seconds for one more job in a job process that runs already.
        cpu_event: seconds for an event.
        memory_job: MB of a job process.
        memory_more: MB for one more job in it.
        requests: to the API server for a job.
        server_cpu: seconds of the API server's CPU for a job.
        event_bytes: in the database.
        write: seconds of a transaction that writes, in SQLite.
    """

    cpu_job: float | None
    cpu_module: float | None
    cpu_more: float | None
    cpu_event: float | None
    memory_job: float | None
    memory_more: float | None
    requests: float | None
    server_cpu: float | None
    event_bytes: float | None
    write: float | None

    @classmethod
    def of(cls, results: Results) -> Needs:
        """What was measured."""
        counts = results.get("requests", "counts", {}).get(ENGINE)
        sizes = results.get("growth-stored", "sizes", [])
        largest = str(sizes[-1]) if sizes else ""
        hundred = next(iter(results.samples("100-jobs").values()), [])
        stored = [quotient(each["more"].get("stored_bytes"), each["more"].get("events")) for each in hundred]

        def slope(section: str, value: Value) -> float | None:
            points = grown(results, section, value)
            return line(points)[1] if len(points) > 1 else None

        return cls(
            results.median("one-task", ENGINE, cpu),
            results.median("one-task", MODULE, cpu),
            slope("growth-jobs", cpu),
            per_event(results, "engine"),
            results.median("one-task", ENGINE, memory),
            slope("growth-jobs", memory),
            float(sum(counts.values())) if counts else None,
            slope("growth-jobs", more("api_server_cpu")),
            stored[0] if stored else None,
            results.median("growth-stored", largest, more("claim")),
        )


def times(*factors: float | None) -> float | None:
    """A product, where all of it is known."""
    product = 1.0
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    return product


def plus(*parts: float | None) -> float | None:
    """A sum, where all of it is known."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def write(folder: Path, page: Path) -> None:
    """Writes the page."""
    results = Results(folder)
    needs = Needs.of(results)
    rate = JOBS_AN_HOUR / 3600
    running = rate * MINUTES * 60
    events = rate * EVENTS
    beats, looks = running / HEARTBEAT_AGE, running / HEARTBEAT_INTERVAL
    writes = rate * ROW_WRITES + running * BATCHES_A_MINUTE / 60 + beats
    own = plus(times(rate, needs.cpu_job), times(events, needs.cpu_event))
    module = plus(times(rate, needs.cpu_module), times(events, needs.cpu_event))
    shared = plus(times(rate, needs.cpu_more), times(events, needs.cpu_event))
    own_memory = times(running, needs.memory_job, 1 / 1000)
    shared_memory = times(running, needs.memory_more, 1 / 1000)
    server = times(rate, needs.server_cpu)
    busy = times(writes, needs.write)
    parts = [
        HEAD.read_text(encoding="utf-8").format(
            jobs=f"{JOBS_AN_HOUR:,}",
            nodes=NODES,
            minutes=MINUTES,
            events=EVENTS,
            rate=number(rate),
            running=number(running, 0),
            event_rate=number(events, 0),
            pods=number(running / NODES, 1),
        ),
        "## What one job takes\n",
        table(
            ["figure", "measured"],
            [
                ["controller CPU, a job process of its own", number(needs.cpu_job, 2, " s")],
                ["the same by the module, ansible-playbook included", number(needs.cpu_module, 2, " s")],
                ["controller CPU, one more job in a job process", number(needs.cpu_more, 3, " s")],
                ["controller CPU for 1,000 events", number(thousand(needs.cpu_event), 0, " ms")],
                ["memory of a job process", number(needs.memory_job, 0, " MB")],
                ["memory for one more job in it", number(needs.memory_more, 1, " MB")],
                ["requests to the API server", number(needs.requests, 0)],
                ["API server CPU", number(needs.server_cpu, 3, " s")],
                ["bytes of an event in the database", number(needs.event_bytes, 0)],
                [
                    "a transaction that writes, SQLite with 100,000 jobs",
                    number(times(needs.write, 1000), 1, " ms"),
                ],
            ],
        )
        + "\n",
        f"## What {JOBS_AN_HOUR:,} an hour take\n",
        table(
            ["what", "each job by itself", "all in few job processes (slices, workflows)"],
            [
                [
                    "controller cores, engine",
                    number(own, 1),
                    number(shared, 1),
                ],
                ["controller cores, with the module", number(module, 1), "-"],
                ["controller memory, GB", number(own_memory, 1), number(shared_memory, 1)],
                [
                    f"controllers of {CORES} cores and {MEMORY} GB, at two thirds",
                    _machines(module, own_memory),
                    _machines(shared, shared_memory),
                ],
            ],
        )
        + "\n",
        table(
            ["what", "a second", "from"],
            [
                [
                    "write transactions",
                    number(writes, 0),
                    f"{ROW_WRITES} a job, one a second with events, a heartbeat every {HEARTBEAT_AGE:.0f} s",
                ],
                [
                    "looks for a cancel (reads)",
                    number(looks, 0),
                    f"every {HEARTBEAT_INTERVAL} s for each job",
                ],
                ["MB of events", number(times(events, needs.event_bytes, 1e-6), 2), "compressed"],
                ["requests to the API server", number(times(rate, needs.requests), 0), "reads and writes"],
                ["API server cores", number(server, 2), "measured with one API server and etcd"],
            ],
        )
        + "\n",
        f"Open at any moment: {number(running, 0)} watches and as many attach streams through the API server;"
        f" {number(times(events, needs.event_bytes, 86400e-9), 0)} GB of events a day.\n",
        _first(busy, own_memory, module, server),
    ]
    page.write_text("\n".join(parts), encoding="utf-8")


def _machines(cores: float | None, gigabytes: float | None) -> str:
    if cores is None or gigabytes is None:
        return "-"
    return str(
        max(1, -(-int(cores * 1000) // int(CORES * 667)), -(-int(gigabytes * 1000) // int(MEMORY * 667)))
    )


def _first(busy: float | None, gigabytes: float | None, cores: float | None, server: float | None) -> str:
    """Which limit comes first: each as a share of what there is of it."""
    shares = {
        "SQLite's one writer, for which all of them wait": busy,
        f"the memory of one controller of {MEMORY} GB": times(gigabytes, 1 / MEMORY),
        f"the cores of one controller of {CORES}": times(cores, 1 / CORES),
        f"the cores of one API server of {CORES}": times(server, 1 / CORES),
    }
    known = sorted(((share, name) for name, share in shares.items() if share is not None), reverse=True)
    rows = [[name, number(100 * share, 0, " %")] for share, name in known]
    text = "## Which limit comes first\n\n" + table(["limit", "used"], rows) + "\n"
    if known:
        text += f"\nFirst comes {known[0][1]}.\n" + ADVICE
    return text
