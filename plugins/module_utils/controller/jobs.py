# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs and their events in the store, and the lease that says who may write about a job."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox, read_key
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import (
    events,
    jobs,
    settings,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, Row, Select, func, insert, select, update

FINAL = frozenset(("successful", "failed", "error", "canceled"))
STATUSES = ("new", "pending", "waiting", "running", "successful", "failed", "error", "canceled")
COMPRESSION = 1
"""Of zlib: events shrink to an eighth already with the quickest."""


class LeaseLost(Exception):
    """Another controller owns the job now, or it has ended: nothing more may be written about it."""


@dataclass(frozen=True)
class NewJob:
    """A job to be.

    Attributes:
        uuid: its own, also in the pod's labels.
        type: of unified job, for example `job`.
        name: for people.
        wait: attached: its launcher waits for it.
        controller_node: host name of the controller.
        container_group: name of the stored group; None for an inline one.
        namespace: the pod's.
        launch: the launch request; sealed.
        connection: to the cluster; sealed.
    """

    uuid: str
    type: str
    name: str
    wait: bool
    controller_node: str
    container_group: str | None
    namespace: str
    launch: dict[str, Any]
    connection: dict[str, Any]


@dataclass(frozen=True)
class JobRecord:
    """A job as the store knows it; moments are UTC, `elapsed` is in seconds."""

    id: int
    uuid: str
    type: str
    name: str
    status: str
    wait: bool
    failure: dict[str, Any] | None
    job_explanation: str
    result_traceback: str
    container_group: str | None
    namespace: str
    pod_name: str
    pod_uid: str
    pod_deleted: bool
    execution_node: str
    controller_node: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    elapsed: float
    host_status_counts: dict[str, int]
    event_count: int
    changed: bool | None
    artifacts: dict[str, Any]
    facts: dict[str, Any]
    lease: int
    owner: str
    heartbeat: datetime | None
    cancel_requested: bool
    stored_offset: int


_COLUMNS = [jobs.c[field.name] for field in fields(JobRecord) if field.name != "elapsed"]


@dataclass(frozen=True)
class EventBatch:
    """Events to store together.

    Attributes:
        first_counter: of the first.
        last_counter: of the last.
        lines: the events as JSON lines.
        stored_offset: position in the worker's output below which all is stored with these.
    """

    first_counter: int
    last_counter: int
    lines: bytes
    stored_offset: int


class JobStore:
    """Jobs and their events in one database. Not for several threads at once."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    @classmethod
    def open(cls, options: StoreOptions) -> JobStore:
        """Opens the store, and makes it where there is none.

        Raises:
            Failure: `InvalidConfiguration`, where the database or the key can't be used, or don't belong together.
        """
        database = Database(options)
        try:
            known = database.read(_fingerprint)
            box = read_key(options.secret_key_file, create=known is None)
            if known is None:
                known = database.write(lambda connection: _keep_fingerprint(connection, box.fingerprint))
            if known != box.fingerprint:
                raise Failure(
                    "InvalidConfiguration",
                    f"The key in secret_key_file {options.secret_key_file} is not the one that this store's secrets"
                    " are sealed with; restore the right file.",
                )
        except Failure:
            database.close()
            raise
        return cls(database, box)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    # -- a job's life --

    def create(self, job: NewJob) -> int:
        """Adds a job with status `pending`; returns its id."""
        row = {
            "uuid": job.uuid,
            "type": job.type,
            "name": job.name[:512],
            "status": "pending",
            "wait": job.wait,
            "container_group": job.container_group,
            "namespace": job.namespace,
            "controller_node": job.controller_node,
            "created": time.time(),
            "host_status_counts": {},
            "artifacts": {},
            "facts": {},
            "sealed_launch": self._box.seal(job.launch),
            "sealed_connection": self._box.seal(job.connection),
        }

        def work(connection: Connection) -> int:
            key = connection.execute(insert(jobs).values(row)).inserted_primary_key
            return int(key[0]) if key is not None else 0

        return self._database.write(work)

    def claim(self, job_id: int, owner: str) -> int:
        """Takes the lease of a job from whoever has it; returns its fencing number.

        Raises:
            LeaseLost: the job has ended.
        """

        def work(connection: Connection) -> int:
            lease = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.status.not_in(FINAL))
                .values(lease=jobs.c.lease + 1, owner=owner, heartbeat=time.time())
                .returning(jobs.c.lease)
            ).scalar()
            if lease is None:
                raise LeaseLost(f"job {job_id} has ended")
            return int(lease)

        return self._database.write(work)

    def update(self, job_id: int, lease: int, **columns: Any) -> None:
        """Sets columns of a job that has not ended; `status: running` also sets when it started.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """
        if columns.get("status") == "running":
            columns = {**columns, "started": time.time()}
        self._database.write(lambda connection: _update(connection, job_id, lease, columns))

    def heartbeat(self, job_id: int, lease: int) -> bool:
        """Says that the owner lives; returns whether somebody wants the job cancelled.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """

        def work(connection: Connection) -> bool:
            _update(connection, job_id, lease, {"heartbeat": time.time()})
            return bool(
                connection.execute(select(jobs.c.cancel_requested).where(jobs.c.id == job_id)).scalar()
            )

        return self._database.write(work)

    def finish(self, job_id: int, lease: int, **columns: Any) -> None:
        """Gives a job its final status and forgets its secrets, but for a connection that a pod must be deleted by.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """
        columns = {**columns, "finished": time.time(), "sealed_launch": None}
        if columns.get("pod_deleted", True):
            columns["sealed_connection"] = None
        self._database.write(lambda connection: _update(connection, job_id, lease, columns))

    def pod_removed(self, job_id: int) -> None:
        """Notes that an ended job's pod is gone at last."""
        statement = update(jobs).where(jobs.c.id == job_id).values(pod_deleted=True, sealed_connection=None)
        self._database.write(lambda connection: connection.execute(statement))

    def request_cancel(self, job_id: int) -> None:
        """Asks the owner of a job to cancel it."""
        statement = update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True)
        self._database.write(lambda connection: connection.execute(statement))

    # -- events --

    def add_events(self, job_id: int, lease: int, batch: EventBatch) -> None:
        """Stores events, and how far the worker's output is stored with them; a batch that is there is no error.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """
        row = {
            "job_id": job_id,
            "first_counter": batch.first_counter,
            "last_counter": batch.last_counter,
            "lines": zlib.compress(batch.lines, COMPRESSION),
        }

        def work(connection: Connection) -> None:
            columns = {"stored_offset": batch.stored_offset, "event_count": batch.last_counter}
            known = connection.execute(select(jobs.c.event_count).where(jobs.c.id == job_id)).scalar()
            _update(connection, job_id, lease, columns)
            if known is not None and known < batch.first_counter:
                connection.execute(insert(events).values(row))

        self._database.write(work)

    def event_lines(self, job_id: int, after: int = 0) -> Iterator[bytes]:
        """A job's events after a counter as JSON lines, in order."""
        while True:
            batch = self._database.read(lambda connection: _next_batch(connection, job_id, after))
            if batch is None:
                return
            lines = zlib.decompress(batch.lines).splitlines()
            yield from lines[max(0, after + 1 - batch.first_counter) :]
            after = batch.last_counter

    def stdout(self, job_id: int, limit: int | None = None) -> tuple[str, bool]:
        """What a job's playbook printed, with its escape sequences.

        Args:
            job_id: the job.
            limit: bytes (of UTF-8) of its end to return; None for all.

        Returns:
            The text, and whether something before it was left out.
        """
        pieces: list[str] = []
        size = 0
        before: int | None = None
        while batch := self._database.read(lambda connection: _batch_before(connection, job_id, before)):
            before = batch.first_counter
            found = [json.loads(line).get("stdout") for line in zlib.decompress(batch.lines).splitlines()]
            text = "".join(f"{printed}\n" for printed in found if printed)
            pieces.append(text)
            size += len(text.encode("utf-8", "replace"))
            if limit is not None and size > limit:
                whole = "".join(reversed(pieces)).encode("utf-8", "replace")
                return whole[len(whole) - limit :].decode("utf-8", "ignore"), True
        return "".join(reversed(pieces)), False

    # -- reading --

    def get(self, job_id: int) -> JobRecord:
        """One job.

        Raises:
            Failure: `InvalidConfiguration`, where there is none of this id.
        """
        found = self._records(select(*_COLUMNS).where(jobs.c.id == job_id))
        if not found:
            raise Failure("InvalidConfiguration", f"job_id: there is no job {job_id} in this store.")
        return found[0]

    def list(self, *, status: str | None = None, limit: int | None = None) -> list[JobRecord]:
        """Jobs, the newest first.

        Args:
            status: only those with this one.
            limit: at most so many.
        """
        statement = select(*_COLUMNS).order_by(jobs.c.id.desc())
        if status is not None:
            statement = statement.where(jobs.c.status == status)
        return self._records(statement.limit(limit))

    def _records(self, statement: Select[Any]) -> list[JobRecord]:
        return [
            _record(row)
            for row in self._database.read(lambda connection: connection.execute(statement).all())
        ]


def _fingerprint(connection: Connection) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.name == "key")).scalar()


def _keep_fingerprint(connection: Connection, fingerprint: str) -> str:
    """Ties the store to a key; returns the fingerprint of the one that it is tied to, by whoever was first."""
    known = _fingerprint(connection)
    if known is None:
        connection.execute(insert(settings).values(name="key", value=fingerprint))
    return known or fingerprint


def _update(connection: Connection, job_id: int, lease: int, columns: dict[str, Any]) -> None:
    """Writes about a job under its lease: the one place that keeps two owners apart, and final statuses final."""
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.lease == lease, jobs.c.status.not_in(FINAL))
    if connection.execute(statement.values(columns)).rowcount != 1:
        raise LeaseLost(f"job {job_id} has ended, or another controller owns it")


def _next_batch(connection: Connection, job_id: int, after: int) -> Row[Any] | None:
    # Batches lie one after the other: the one that starts last at or before `after + 1` may hold it.
    first = (
        select(func.max(events.c.first_counter))
        .where(events.c.job_id == job_id, events.c.first_counter <= after + 1)
        .scalar_subquery()
    )
    statement = select(events).where(
        events.c.job_id == job_id, events.c.first_counter == first, events.c.last_counter > after
    )
    return connection.execute(statement).first()


def _batch_before(connection: Connection, job_id: int, before: int | None) -> Row[Any] | None:
    statement = (
        select(events).where(events.c.job_id == job_id).order_by(events.c.first_counter.desc()).limit(1)
    )
    if before is not None:
        statement = statement.where(events.c.first_counter < before)
    return connection.execute(statement).first()


def _record(row: Row[Any]) -> JobRecord:
    values = dict(row._mapping)
    start, end = values["started"] or values["created"], values["finished"]
    elapsed = round((end or time.time()) - start, 3) if values["started"] or end else 0.0
    for name in ("created", "started", "finished", "heartbeat"):
        if values[name] is not None:
            values[name] = datetime.fromtimestamp(values[name], timezone.utc)
    return JobRecord(**values, elapsed=elapsed)
