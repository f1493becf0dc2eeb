# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a job in the store its place, where the rules of capacity and blocking allow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.blocking import (
    ActiveJob,
    blocker,
    waiting_for,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import (
    Group,
    Load,
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
    seen = database.read(lambda connection: _look(connection, job_id, lease, fresh))
    if isinstance(seen, Placed):
        return database.write(lambda connection: try_place(connection, job_id, lease, fresh))
    return seen


def try_place(connection: Connection, job_id: int, lease: int, fresh: float) -> Placed | Pending:
    """Like `place`, in a transaction that writes."""
    one_at_a_time(connection, Lock.PLACING)
    rows, me = _read(connection, job_id, lease)
    found = _decide(connection, rows, me, fresh)
    if isinstance(found, Placed) and not _has_place(me):
        mine = (jobs.c.id == job_id, jobs.c.lease == lease, jobs.c.status == "pending")
        values: dict[str, Any] = {
            "status": "waiting",
            "status_since": clock(connection),
            "job_explanation": "",
            "container_group_id": found.group_id,
            "container_group": found.container_group,
        }
        if connection.execute(update(jobs).where(*mine).values(values)).rowcount != 1:
            raise _lost(job_id)
    return found


def _look(connection: Connection, job_id: int, lease: int, fresh: float) -> Placed | Pending:
    rows, me = _read(connection, job_id, lease)
    return _decide(connection, rows, me, fresh)


def _read(connection: Connection, job_id: int, lease: int) -> tuple[Sequence[Row[Any]], Row[Any]]:
    """All jobs that count, the oldest first, and among them the one that is asked for."""
    statement = select(*_COLUMNS).where(jobs.c.status.in_(("pending", *STARTED))).order_by(jobs.c.id)
    rows = connection.execute(statement).all()
    for row in rows:
        if row.id == job_id and row.lease == lease:
            return rows, row
    raise _lost(job_id)


def _lost(job_id: int) -> LeaseLost:
    return LeaseLost(f"job {job_id} has ended, or another controller owns it")


def _has_place(row: Row[Any]) -> bool:
    return row.status in STARTED or row.container_group_id is not None


def _decide(connection: Connection, rows: Sequence[Row[Any]], me: Row[Any], fresh: float) -> Placed | Pending:
    if _has_place(me):
        return Placed(me.container_group_id, me.container_group)
    started = [row for row in rows if _has_place(row)]
    earliest = clock(connection) - fresh
    before = [row for row in rows if row.id < me.id and row.heard >= earliest and not _has_place(row)]
    waiting, blocked_by = _line(started, before, me)
    if blocked_by is not None:
        return Pending(waiting_for(blocked_by))
    if not _candidates(me):
        return Placed(None, me.container_group)
    groups = _groups(connection, {number for job in waiting for number in job.candidates})
    _check_groups(me, [groups[number] for number in _candidates(me) if number in groups])
    planned = plan(waiting, groups, _loads(started))
    if me.id in planned.obstacles:
        return Pending(not_ready(planned.obstacles[me.id]))
    group = groups[planned.placed[me.id]]
    return Placed(group.id, group.name if group.in_pods else None)


def _line(
    started: Iterable[Row[Any]], before: Iterable[Row[Any]], me: Row[Any]
) -> tuple[list[Waiting], ActiveJob | None]:
    """The jobs in line for a place, up to this one, and what this one has to wait for, if anything.

    A job that waits for another one to end stands in no line, so it keeps no younger one from its place.
    """
    active = [_active(row) for row in started]
    waiting: list[Waiting] = []
    for row in before:
        job = _active(row)
        if blocker(job, active) is None:
            active.append(job)
            waiting.append(_waiting(row))
    return [*waiting, _waiting(me)], blocker(_active(me), active)


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


def _check_groups(me: Row[Any], groups: Sequence[Group]) -> None:
    """Ends a job that would wait for ever: its groups may have changed since it was launched."""
    if not groups:
        raise Failure(
            "InvalidConfiguration",
            "instance_groups: all container groups that this job was launched for have been deleted.",
        )
    failure = never_fits(me.task_impact, groups)
    if failure is not None:
        raise failure


def _loads(started: Iterable[Row[Any]]) -> Mapping[int, Load]:
    loads: dict[int, Load] = {}
    for row in started:
        if row.container_group_id is not None:
            loads[row.container_group_id] = loads.get(row.container_group_id, Load()).plus(row.task_impact)
    return loads
