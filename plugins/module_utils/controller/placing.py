# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a job in the store its place, where the rules of capacity and blocking allow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from ansible_collections.jobpods.controller.plugins.module_utils.controller.blocking import (
    ActiveJob,
    ActiveJobs,
    waiting_for,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import (
    Group,
    Load,
    Plan,
    Waiting,
    never_fits,
    not_ready,
    plan,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database, clock
from ansible_collections.jobpods.controller.plugins.module_utils.controller.locks import Lock, one_at_a_time
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    container_groups,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import LeaseLost
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, Row, func, select, update

STARTED = ("waiting", "running")

_COLUMNS = [
    *(jobs.c[field.name] for field in fields(ActiveJob)),
    jobs.c.status,
    jobs.c.lease,
    jobs.c.container_group_id,
    jobs.c.container_group,
    jobs.c.candidates,
    jobs.c.task_impact,
    func.coalesce(jobs.c.heartbeat, jobs.c.created).label("heard"),
]


@dataclass(frozen=True)
class Placed:
    """The job may start.

    Attributes:
        group_id: of the group that it has a place in; None where it needs none.
        container_group: the group's name; None where the job runs in no pod.
    """

    group_id: int | None
    container_group: str | None


@dataclass(frozen=True)
class Pending:
    """The job has to wait.

    Attributes:
        explanation: for what, for its user.
    """

    explanation: str


Seen: TypeAlias = "Placed | Pending | Failure | LeaseLost"
"""How it stands with a job; a failure is what `place` would raise."""


def look(database: Database, leases: Mapping[int, int], fresh: float) -> dict[int, Pending]:
    """Which of several jobs of one caller have to wait, seen at once; `place` says what the others may do.

    Args:
        database: the store's.
        leases: the jobs' ids, and the caller's leases.
        fresh: as for `place`.
    """
    seen = database.read(lambda connection: _look(connection, leases, fresh))
    return {number: found for number, found in seen.items() if isinstance(found, Pending)}


def place(database: Database, job_id: int, lease: int, fresh: float) -> Placed | Pending:
    """Gives a pending job a place, where it is its turn and there is room; its status is `waiting` then.

    A job that has a place keeps it until its end, also while it is pending again because of a quota, and gets
    the same answer again. To look is cheap and locks nothing; the lock is taken only to take a place.

    Args:
        database: the store's.
        job_id: the job.
        lease: the caller's.
        fresh: seconds; pending jobs whose owner has not been heard of for longer than that are passed over.

    Raises:
        LeaseLost: the lease is another one's, or the job has ended.
        Failure: `InvalidConfiguration`, where no group is left that the job could ever run in.
    """
    found = database.read(lambda connection: _look(connection, {job_id: lease}, fresh))
    seen = _answer(found[job_id])
    if isinstance(seen, Placed):
        return database.write(lambda connection: try_place(connection, job_id, lease, fresh))
    return seen


def try_place(connection: Connection, job_id: int, lease: int, fresh: float) -> Placed | Pending:
    """Like `place`, in a transaction that writes."""
    one_at_a_time(connection, Lock.PLACING)
    rows, mine = _read(connection, {job_id: lease})
    found = _answer(_decide(connection, rows, mine, fresh).get(job_id, _lost(job_id)))
    if isinstance(found, Placed) and not _has_place(mine[job_id]):
        still = (jobs.c.id == job_id, jobs.c.lease == lease, jobs.c.status == "pending")
        values: dict[str, Any] = {
            "status": "waiting",
            "status_since": clock(connection),
            "job_explanation": "",
            "container_group_id": found.group_id,
            "container_group": found.container_group,
        }
        if connection.execute(update(jobs).where(*still).values(values)).rowcount != 1:
            raise _lost(job_id)
    return found


def _answer(seen: Seen) -> Placed | Pending:
    if isinstance(seen, Exception):
        raise seen
    return seen


def _look(connection: Connection, leases: Mapping[int, int], fresh: float) -> dict[int, Seen]:
    rows, mine = _read(connection, leases)
    lost = {number: _lost(number) for number in leases if number not in mine}
    return {**_decide(connection, rows, mine, fresh), **lost}


def _read(
    connection: Connection, leases: Mapping[int, int]
) -> tuple[Sequence[Row[Any]], dict[int, Row[Any]]]:
    """All jobs that count, the oldest first, and those of them, by id, that have one of these leases."""
    statement = select(*_COLUMNS).where(jobs.c.status.in_(("pending", *STARTED))).order_by(jobs.c.id)
    rows = connection.execute(statement).all()
    return rows, {row.id: row for row in rows if leases.get(row.id) == row.lease}


def _lost(job_id: int) -> LeaseLost:
    return LeaseLost(f"job {job_id} has ended, or another controller owns it")


def _has_place(row: Row[Any]) -> bool:
    return row.status in STARTED or row.container_group_id is not None


def _decide(
    connection: Connection, rows: Sequence[Row[Any]], mine: Mapping[int, Row[Any]], fresh: float
) -> dict[int, Seen]:
    """How it stands with some of these jobs."""
    started = [row for row in rows if _has_place(row)]
    seen: dict[int, Seen] = {
        row.id: Placed(row.container_group_id, row.container_group) for row in started if row.id in mine
    }
    earliest, last = clock(connection) - fresh, max(mine, default=0)
    counting = (row for row in rows if row.id <= last and (row.id in mine or row.heard >= earliest))
    line, blocked = _line(started, (row for row in counting if not _has_place(row)))
    seen.update((number, Pending(waiting_for(blocked[number]))) for number in blocked.keys() & mine.keys())
    groups = _groups(connection, {number for row in line for number in _candidates(row)})
    planned = plan([_waiting(row) for row in line], groups, _loads(started))
    for row in line:
        if row.id in mine:
            seen[row.id] = _place_of(row, planned, groups)
    return seen


def _line(
    started: Iterable[Row[Any]], pending: Iterable[Row[Any]]
) -> tuple[list[Row[Any]], dict[int, ActiveJob]]:
    """The jobs in line for a place, and what the others have to wait for, by their ids.

    A job that waits for another one to end stands in no line, so it keeps no younger one from its place.
    """
    active = ActiveJobs(_active(row) for row in started)
    line: list[Row[Any]] = []
    blocked: dict[int, ActiveJob] = {}
    for row in pending:
        job = _active(row)
        blocked_by = active.blocker(job)
        if blocked_by is None:
            active.add(job)
            line.append(row)
        else:
            blocked[row.id] = blocked_by
    return line, blocked


def _place_of(row: Row[Any], planned: Plan, groups: Mapping[int, Group]) -> Placed | Pending | Failure:
    """How it stands with a job in line."""
    if not _candidates(row):
        return Placed(None, row.container_group)
    failure = _no_group(row, [groups[number] for number in _candidates(row) if number in groups])
    if failure is not None:
        return failure
    if row.id in planned.obstacles:
        return Pending(not_ready(planned.obstacles[row.id]))
    group = groups[planned.placed[row.id]]
    return Placed(group.id, group.name if group.in_pods else None)


def _active(row: Row[Any]) -> ActiveJob:
    return ActiveJob(**{field.name: row._mapping[field.name] for field in fields(ActiveJob)})


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(row.id, row.task_impact, _candidates(row))


def _candidates(row: Row[Any]) -> tuple[int, ...]:
    """The groups that a job needs a place in one of; a part of another job has its place with that."""
    if row.type == "workflow_job" or row.launch_type == "sync":
        return ()
    return tuple(row.candidates or ())


def _groups(connection: Connection, numbers: Iterable[int]) -> dict[int, Group]:
    columns = container_groups.c
    statement = select(columns.id, columns.name, columns.is_container_group, columns.settings)
    return {
        row.id: Group(
            row.id,
            row.name,
            row.settings.get("max_concurrent_jobs") or 0,
            row.settings.get("max_forks") or 0,
            row.is_container_group,
        )
        for row in connection.execute(statement.where(columns.id.in_(numbers)))
    }


def _no_group(me: Row[Any], groups: Sequence[Group]) -> Failure | None:
    """Why a job would wait for ever, if it would: its groups may have changed since it was launched."""
    if not groups:
        return Failure(
            "InvalidConfiguration",
            "instance_groups: all container groups that this job was launched for have been deleted.",
        )
    return never_fits(me.task_impact, groups)


def _loads(started: Iterable[Row[Any]]) -> Mapping[int, Load]:
    loads: dict[int, Load] = {}
    for row in started:
        if row.container_group_id is not None:
            loads[row.container_group_id] = loads.get(row.container_group_id, Load()).plus(row.task_impact)
    return loads
