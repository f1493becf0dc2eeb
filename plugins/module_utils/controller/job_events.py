# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of jobs in the store: batches of them, compressed, as the runner wrote them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.job_rows import update_row
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import EventBatch
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import events, jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import shortened
from sqlalchemy import Connection, Row, func, insert, select

BETWEEN_TASKS = ("playbook_on_start", "playbook_on_play_start", "playbook_on_stats")
"""Events after which no task runs."""
MAX_TASK = 512
"""Characters of a task's name that are told."""
COMPRESSION = 1
"""Of zlib: events shrink to an eighth already with the quickest."""


class JobEvents:
    """The events of all jobs in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_events(self, job_id: int, lease: int, batch: EventBatch) -> None:
        """Stores events, and how far the worker's output is stored with them; known events are left out.

        Raises:
            LeaseLost: the lease is another one's, or the job has ended.
        """
        compressed = zlib.compress(batch.lines, COMPRESSION)

        def work(connection: Connection) -> None:
            statement = select(jobs.c.event_count, jobs.c.stored_offset).where(jobs.c.id == job_id)
            row = connection.execute(statement.with_for_update()).first()
            known, offset = (0, 0) if row is None else (row.event_count, row.stored_offset)
            columns = {
                **batch.columns,
                "stored_offset": max(offset, batch.stored_offset),
                "event_count": max(known, batch.last_counter),
            }
            update_row(connection, job_id, lease, columns)
            if batch.last_counter > known:
                first, lines = batch.first_counter, compressed
                if first <= known:  # sent again after a broken connection, and more with it
                    rest = batch.lines.split(b"\n", known + 1 - first)[-1]
                    first, lines = known + 1, zlib.compress(rest, COMPRESSION)
                row_values = {"job_id": job_id, "first_counter": first, "last_counter": batch.last_counter}
                connection.execute(insert(events).values({**row_values, "lines": lines}))

        self._database.write(work)

    def event_lines(self, job_id: int, after: int = 0) -> Iterator[bytes]:
        """A job's events after a counter as JSON lines, in order."""
        while batch := self._database.read(partial(_next_batch, job_id=job_id, after=after)):
            yield from _lines(batch)[max(0, after + 1 - batch.first_counter) :]
            after = batch.last_counter

    def events(self, job_id: int, after: int = 0) -> Iterator[dict[str, Any]]:
        """A job's events after a counter, in order, as ansible-runner wrote them."""
        return map(json.loads, self.event_lines(job_id, after))

    def stdout(self, job_id: int, limit: int | None = None) -> tuple[str, bool]:
        """What a job's playbook printed, with its escape sequences.

        Args:
            job_id: the job.
            limit: bytes (of UTF-8) of its end to return; None for all.

        Returns:
            The text, and whether something before it was left out.
        """
        pieces: list[bytes] = []
        size = 0
        for batch in self._batches_from_the_end(job_id):
            printed = [json.loads(line).get("stdout") for line in _lines(batch)]
            pieces.append("".join(f"{text}\n" for text in printed if text).encode("utf-8", "replace"))
            size += len(pieces[-1])
            if limit is not None and size > limit:
                # The first character may be cut; what is left of it is dropped.
                return b"".join(reversed(pieces))[size - limit :].decode("utf-8", "ignore"), True
        return b"".join(reversed(pieces)).decode("utf-8"), False

    def current_task(self, job_id: int) -> str:
        """Name of the task of the last stored event; empty where a play has none yet, or no more."""
        for event in self._events_from_the_end(job_id):
            facts = event.get("event_data")
            task = facts.get("task") if isinstance(facts, dict) else None
            if isinstance(task, str) and task:
                return shortened(task, MAX_TASK)
            if event.get("event") in BETWEEN_TASKS:
                return ""
        return ""

    def failed_hosts(self, job_id: int) -> list[str] | None:
        """The hosts that the playbook's recap counts as failed or unreachable; None where there is none."""
        for event in self._events_from_the_end(job_id):
            if event.get("event") == "playbook_on_stats":
                facts = event.get("event_data")
                recap = facts if isinstance(facts, dict) else {}
                counts = (recap.get(name) for name in ("failures", "dark"))
                return sorted({host for each in counts if isinstance(each, dict) for host in each})
        return None

    def _events_from_the_end(self, job_id: int) -> Iterator[dict[str, Any]]:
        for batch in self._batches_from_the_end(job_id):
            yield from map(json.loads, reversed(_lines(batch)))

    def _batches_from_the_end(self, job_id: int) -> Iterator[Row[Any]]:
        before: int | None = None
        while batch := self._database.read(partial(_batch_before, job_id=job_id, before=before)):
            yield batch
            before = batch.first_counter


def _lines(batch: Row[Any]) -> list[bytes]:
    # Not splitlines(): a carriage return may stand between two tokens of JSON.
    return zlib.decompress(batch.lines).removesuffix(b"\n").split(b"\n")


def _next_batch(connection: Connection, job_id: int, after: int) -> Row[Any] | None:
    # The batch that starts last at or before `after + 1` holds it, or the one that comes next.
    mine = events.c.job_id == job_id
    start = select(func.max(events.c.first_counter)).where(mine, events.c.first_counter <= after + 1)
    statement = select(events).where(
        mine,
        events.c.first_counter >= func.coalesce(start.scalar_subquery(), 0),
        events.c.last_counter > after,
    )
    return connection.execute(statement.order_by(events.c.first_counter).limit(1)).first()


def _batch_before(connection: Connection, job_id: int, before: int | None) -> Row[Any] | None:
    statement = (
        select(events).where(events.c.job_id == job_id).order_by(events.c.first_counter.desc()).limit(1)
    )
    if before is not None:
        statement = statement.where(events.c.first_counter < before)
    return connection.execute(statement).first()
