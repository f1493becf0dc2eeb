# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs and their events in the store, and the lease that says who may write about a job."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database, clock
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventories import (
    InventoryStore,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.job_events import JobEvents
from ansible_collections.jobpods.controller.plugins.module_utils.controller.job_rows import (
    storable_row,
    update_row,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.keys import open_box
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import ObjectStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import (
    Pending,
    Placed,
    look,
    place,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.projects import ProjectStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import (
    ACTIVE,
    FINAL,
    EventBatch,
    JobRecord,
    LeaseLost,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.controller.storable import (
    MAX_ID,
    is_id,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import events, jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    func,
    insert,
    select,
    update,
)

__all__ = ["FINAL", "EventBatch", "JobRecord", "JobStore", "LeaseLost", "NewJob"]

HEARTBEAT_AGE = 5.0
"""Seconds after which an owner says again that it lives; others take it for gone after many times that."""

_COLUMNS: list[ColumnElement[Any]] = [
    jobs.c[field.name] for field in fields(JobRecord) if field.name != "elapsed"
]


class JobStore(JobEvents):
    """Jobs and their events in one database. Not for several threads at once."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        super().__init__(database)
        self._box = box

    @classmethod
    def open(cls, options: StoreOptions) -> JobStore:
        """Opens the store, and makes it where there is none.

        Raises:
            Failure: `InvalidConfiguration`, where the database or the key can't be used, or don't belong
                together.
        """
        database = Database(options)
        try:
            box = open_box(database, options)
        except Failure:
            database.close()
            raise
        return cls(database, box)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def mark(self, text: str) -> str:
        """What only this store, and others with its key, can tell of a text."""
        return self._box.mark(text)

    @property
    def fingerprint(self) -> str:
        """Tells stores of other keys apart."""
        return self._box.fingerprint

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know about where the store lies."""
        return tuple(self._database.warnings)

    @property
    def objects(self) -> ObjectStore:
        """The objects in the same database."""
        return ObjectStore(self._database, self._box)

    @property
    def inventories(self) -> InventoryStore:
        """What inventory sources bring, in the same database."""
        return InventoryStore(self._database, self._box)

    @property
    def projects(self) -> ProjectStore:
        """The revisions of projects, in the same database."""
        return ProjectStore(self._database)

    # -- a job's life --

    def create(self, job: NewJob) -> int:
        """Adds a job with status `pending`; returns its id."""
        row: dict[str, Any] = {
            "uuid": job.uuid,
            "type": job.type,
            "name": job.name,
            "status": "pending",
            "wait": job.wait,
            "container_group": job.container_group,
            "namespace": job.namespace,
            "controller_node": job.controller_node,
            "start": [],
            "attempts": [],
            "host_status_counts": {},
            "artifacts": {},
            "facts": {},
            "sealed_launch": self._sealed(job.launch),
            "sealed_connection": self._sealed(job.connection),
            "sealed_request": self._sealed(job.request),
            "sealed_caller": self._sealed(job.caller),
            **job.columns,
        }

        def work(connection: Connection) -> int:
            now = clock(connection)
            values = {**storable_row(row), "created": now, "status_since": now}
            (job_id,) = connection.execute(insert(jobs).values(values)).inserted_primary_key or (0,)
            return int(job_id)

        return self._database.write(work)

    def keep_launch(
        self,
        job_id: int,
        lease: int,
        *,
        namespace: str,
        launch: dict[str, Any],
        connection: dict[str, Any] | None,
        **columns: Any,
    ) -> None:
        """Keeps what a job runs, and how it reaches its cluster, until its end; both are sealed.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """
        sealed = {
            "sealed_launch": self._sealed(launch),
            "sealed_connection": self._sealed(connection),
        }
        self.update(job_id, lease, namespace=namespace, **sealed, **columns)

    def claim(self, job_id: int, owner: str, *, known: int | None = None, **columns: Any) -> int:
        """Takes the lease of a job from whoever has it; returns its fencing number.

        Args:
            job_id: the job.
            owner: who takes it.
            known: only from who has the lease of this number: of several who want to, one gets it.
            columns: others to set with it.

        Raises:
            LeaseLost: the job has ended, or somebody else was quicker.
        """

        def work(connection: Connection) -> int:
            statement = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(ACTIVE))
            if known is not None:
                statement = statement.where(jobs.c.lease == known)
            values = {"lease": jobs.c.lease + 1, "heartbeat": clock(connection)}
            values.update(storable_row({"owner": owner, **columns}))
            if connection.execute(statement.values(values)).rowcount != 1:
                raise LeaseLost(f"job {job_id} has ended, or another controller owns it")
            # The row is this transaction's until its end. (RETURNING would need SQLite 3.35.)
            return int(connection.execute(select(jobs.c.lease).where(jobs.c.id == job_id)).scalar_one())

        return self._database.write(work)

    def place(self, job_id: int, lease: int, fresh: float) -> Placed | Pending:
        """Gives a pending job a place in a container group, if it is its turn; see `placing.place`."""
        return place(self._database, job_id, lease, fresh)

    def look(self, leases: Mapping[int, int], fresh: float) -> dict[int, Pending]:
        """Which of several jobs still have to wait for a place; see `placing.look`."""
        return look(self._database, leases, fresh)

    def update(self, job_id: int, lease: int, **columns: Any) -> None:
        """Sets columns of a job that has not ended; `status: running` also sets when it started, once.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """
        if columns.get("status") in FINAL:
            raise ValueError("a final status is given by finish()")

        def work(connection: Connection) -> None:
            values = dict(columns)
            if values.get("status") == "running":
                values["started"] = func.coalesce(jobs.c.started, clock(connection))
            update_row(connection, job_id, lease, values)

        self._database.write(work)

    def heartbeat(self, job_id: int, lease: int) -> bool:
        """Says that the owner lives; returns whether somebody wants the job cancelled.

        It is called often, for the sake of the cancel; the database is written to only where the last word is
        older than `HEARTBEAT_AGE`, or else hundreds of jobs would be that many writes at any moment.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """

        def look(connection: Connection) -> tuple[bool, bool]:
            statement = select(jobs.c.cancel_requested, jobs.c.heartbeat).where(
                jobs.c.id == job_id, jobs.c.lease == lease, jobs.c.status.in_(ACTIVE)
            )
            row = connection.execute(statement).first()
            if row is None:
                raise LeaseLost(f"job {job_id} has ended, or another controller owns it")
            age = clock(connection) - row.heartbeat if row.heartbeat is not None else HEARTBEAT_AGE
            return 0 <= age < HEARTBEAT_AGE, bool(row.cancel_requested)

        heard, canceled = self._database.read(look)
        if heard:
            return canceled

        def work(connection: Connection) -> bool:
            update_row(connection, job_id, lease, {"heartbeat": clock(connection)})
            return bool(
                connection.execute(select(jobs.c.cancel_requested).where(jobs.c.id == job_id)).scalar()
            )

        return self._database.write(work)

    def touch(self, job_id: int) -> None:
        """Writes what a job's row says already: where that is done, its owner could write, too."""
        same = update(jobs).where(jobs.c.id == job_id).values(lease=jobs.c.lease)
        self._database.write(lambda connection: connection.execute(same))

    def finish(
        self, job_id: int, lease: int, *, status: str, keep_pod_for: float | None = None, **columns: Any
    ) -> None:
        """Gives a job its final status and forgets its secrets.

        The connection, and the environment for it, are kept as long as the pod has still to be deleted by it.

        Args:
            job_id: the job.
            lease: the fencing number of its owner.
            status: the final one.
            keep_pod_for: seconds for which the pod is not to be deleted.
            columns: others to set.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """
        if status not in FINAL:
            raise ValueError(f"{status} is no final status")

        def work(connection: Connection) -> None:
            now = clock(connection)
            values = {**columns, "status": status, "finished": now}
            values["sealed_launch"] = None
            if keep_pod_for is not None:
                values["keep_pod_until"] = now + keep_pod_for
            update_row(connection, job_id, lease, values)
            _forget_way(connection, job_id)

        self._database.write(work)

    def pod_removed(self, job_id: int) -> None:
        """Notes that an ended job's pod is gone at last."""

        def work(connection: Connection) -> None:
            statement = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(FINAL))
            connection.execute(statement.values(pod_deleted=True))
            _forget_way(connection, job_id)

        self._database.write(work)

    def next_attempt(
        self,
        job_id: int,
        lease: int,
        lost: Mapping[str, Any],
        start: Sequence[Mapping[str, Any]] = (),
        *,
        started: bool,
    ) -> None:
        """Keeps in mind that a job's pod was lost, and is gone; all else that came from it is forgotten.

        Args:
            job_id: the job.
            lease: its owner's.
            lost: what is to be known of this attempt.
            start: the story of the next one's start, as far as it goes.
            started: its playbook may have begun.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """

        def work(connection: Connection) -> None:
            statement = select(jobs.c.attempts, jobs.c.started).where(jobs.c.id == job_id)
            attempts, since = connection.execute(statement.with_for_update()).one()
            now = clock(connection)
            attempt = {**lost, "started": since or (now if started else None), "finished": now}
            columns = {
                "attempts": [*attempts, attempt],
                "start": [*start],
                "status": "waiting",
                "started": None,
                "pod_name": "",
                "pod_uid": "",
                "pod_deleted": True,
                "execution_node": "",
                "event_count": 0,
                "stored_offset": 0,
            }
            update_row(connection, job_id, lease, columns)
            connection.execute(delete(events).where(events.c.job_id == job_id))

        self._database.write(work)

    def request_cancel(self, job_id: int) -> JobRecord:
        """Asks the owner of a job to cancel it, where it has not ended; returns the job.

        Raises:
            Failure: `InvalidConfiguration`, where there is none of this id.
        """
        statement = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(ACTIVE))
        if is_id(job_id):
            cancel = statement.values(cancel_requested=True)
            self._database.write(lambda connection: connection.execute(cancel))
        return self.get(job_id)

    # -- reading --

    def get(self, job_id: int) -> JobRecord:
        """One job.

        Raises:
            Failure: `InvalidConfiguration`, where there is none of this id.
        """
        statement = select(*_COLUMNS).where(jobs.c.id == job_id)
        found = self._records(statement) if is_id(job_id) else ()
        if not found:
            raise Failure("InvalidConfiguration", f"job_id: there is no job {job_id} in this store.")
        return found[0]

    def launch(self, job_id: int) -> dict[str, Any]:
        """The launch request of a job that has not ended.

        Raises:
            Failure: `InvalidConfiguration`, where it is not kept any more, or the key is not the one.
        """
        return self._unsealed(job_id, jobs.c.sealed_launch, "launch request")

    def request(self, job_id: int) -> dict[str, Any]:
        """What was asked for when a job was launched.

        Raises:
            Failure: `InvalidConfiguration`, where it is not kept, or the key is not the one.
        """
        return self._unsealed(job_id, jobs.c.sealed_request, "request")

    def caller(self, job_id: int) -> dict[str, Any]:
        """Who launched a job that has not ended, or whose pod has still to be deleted; in what environment.

        Raises:
            Failure: `InvalidConfiguration`, where it is not kept any more, or the key is not the one.
        """
        return self._unsealed(job_id, jobs.c.sealed_caller, "caller")

    def connection(self, job_id: int) -> dict[str, Any]:
        """The connection of a job that has not ended, or whose pod has still to be deleted.

        Raises:
            Failure: `InvalidConfiguration`, where it is not kept any more, or the key is not the one.
        """
        return self._unsealed(job_id, jobs.c.sealed_connection, "connection")

    def children(self, job_id: int) -> Sequence[JobRecord]:
        """The slices of a job, or the jobs of a workflow's nodes, in the order in which they were made."""
        return self._records(select(*_COLUMNS).where(jobs.c.parent_id == job_id).order_by(jobs.c.id))

    def list(
        self, *, status: str | None = None, limit: int | None = None, **columns: Any
    ) -> Sequence[JobRecord]:
        """Jobs, the newest first.

        Args:
            status: only those with this one.
            limit: at most so many.
            columns: only those whose columns have these values.

        Raises:
            Failure: `InvalidConfiguration`, where `limit` is below 0.
        """
        if limit is not None and limit < 0:
            raise Failure("InvalidConfiguration", f"limit is {limit}; it must be 0 or more.")
        statement = select(*_COLUMNS).order_by(jobs.c.id.desc())
        if status is not None:
            statement = statement.where(jobs.c.status == status)
        for name, value in columns.items():
            statement = statement.where(jobs.c[name] == value)
        return self._records(statement.limit(None if limit is None else min(limit, MAX_ID)))

    def owned_on(self, machine: str) -> Sequence[JobRecord]:
        """Jobs that have not ended and that processes of a machine own, the oldest first."""
        mine = jobs.c.owner.startswith(machine, autoescape=True)
        return self._records(select(*_COLUMNS).where(jobs.c.status.in_(ACTIVE), mine).order_by(jobs.c.id))

    def stale(self, seconds: float) -> Sequence[JobRecord]:
        """Jobs that have not ended and whose owner has not been heard of for so long, the oldest first."""
        heard = func.coalesce(jobs.c.heartbeat, jobs.c.created)
        statement = select(*_COLUMNS).where(jobs.c.status.in_(ACTIVE)).order_by(jobs.c.id)
        return self._records(statement, older=heard, seconds=seconds)

    def undeleted_pods(self, older_than: float) -> Sequence[JobRecord]:
        """Jobs that have ended and whose pods have still to be deleted, the oldest first.

        Args:
            older_than: seconds since they ended, or since somebody has last tried to delete the pod.
        """

        def work(connection: Connection) -> Sequence[Row[Any]]:
            left = _pod_is_left(clock(connection), older_than)
            return connection.execute(select(*_COLUMNS).where(*left).order_by(jobs.c.id)).all()

        return [_record(row) for row in self._database.read(work)]

    def claim_pod(self, job_id: int, owner: str, seconds: float) -> bool:
        """Takes the deletion of an ended job's pod upon oneself, unless somebody did within these seconds."""

        def work(connection: Connection) -> bool:
            now = clock(connection)
            statement = update(jobs).where(jobs.c.id == job_id, *_pod_is_left(now, seconds))
            values = {**storable_row({"owner": owner}), "heartbeat": now}
            return connection.execute(statement.values(values)).rowcount == 1

        return self._database.write(work)

    def _records(
        self, statement: Select[Any], *, older: ColumnElement[Any] | None = None, seconds: float = 0.0
    ) -> Sequence[JobRecord]:
        """The jobs that a statement finds; only those for which a moment is so many seconds ago."""

        def work(connection: Connection) -> Sequence[Row[Any]]:
            found = statement if older is None else statement.where(older <= clock(connection) - seconds)
            return connection.execute(found).all()

        return [_record(row) for row in self._database.read(work)]

    def _sealed(self, value: dict[str, Any] | None) -> str | None:
        return None if value is None else self._box.seal(value)

    def _unsealed(self, job_id: int, column: ColumnElement[Any], what: str) -> dict[str, Any]:
        statement = select(column).where(jobs.c.id == job_id)
        sealed = self._database.read(lambda connection: connection.execute(statement).scalar())
        if sealed is None:
            raise Failure("InvalidConfiguration", f"The store keeps no {what} of job {job_id} (any more).")
        value: dict[str, Any] = self._box.open(sealed)
        return value


def _pod_is_left(now: float, seconds: float) -> tuple[ColumnElement[bool], ...]:
    """Conditions of a job whose pod is neither deleted nor kept, and that nobody has seen to for so long."""
    # Only who has ended has `finished`; to ask for the status would have all that ended looked at.
    return (
        jobs.c.pod_deleted.is_(False),
        jobs.c.finished.is_not(None),
        func.coalesce(jobs.c.heartbeat, jobs.c.finished) <= now - seconds,
        func.coalesce(jobs.c.keep_pod_until, 0.0) <= now,
    )


def _forget_way(connection: Connection, job_id: int) -> None:
    """Forgets how the cluster is reached, where a job has ended and its pod is gone."""
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(FINAL), jobs.c.pod_deleted)
    connection.execute(statement.values(sealed_connection=None, sealed_caller=None))


def _record(row: Row[Any]) -> JobRecord:
    values = dict(row._mapping)
    start, end = values["started"] or values["created"], values["finished"]
    elapsed = round((end or time.time()) - start, 3) if values["started"] or end else 0.0
    for name in ("created", "started", "finished", "heartbeat", "status_since", "keep_pod_until"):
        if values[name] is not None:
            values[name] = datetime.fromtimestamp(values[name], timezone.utc)
    return JobRecord(**values, elapsed=elapsed)
