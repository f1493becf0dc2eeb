# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new secret key: everything in the store is sealed with it in one transaction.

Both keys lie beside `secret_key_file` under their fingerprints, and stay there, before anything is sealed
with the new one; the transaction that seals everything anew also says that it counts; and only then it takes
the old one's place. So there is no moment at which the store has no key (see keys.py).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.controller import object_tables
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import (
    Database,
    clock,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.keys import (
    key_beside,
    open_box,
    refuse_former_key,
    replace_fingerprint,
    stored_fingerprint,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.locks import Lock, one_at_a_time
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import ACTIVE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import (
    SecretBox,
    keep_key,
    new_key,
    read_key,
    write_key,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Column, Connection, bindparam, func, select, update

SEALED: tuple[Column[str], ...] = (
    jobs.c.sealed_launch,
    jobs.c.sealed_connection,
    jobs.c.sealed_request,
    jobs.c.sealed_caller,
    *(kind.table.c.sealed for kind in KINDS.values()),
    object_tables.inventory_sources.c.sealed_content,
    object_tables.workflow_nodes.c.sealed,
)
"""All that is sealed."""
SILENCE = 120.0
"""Seconds without a sign of life after which a job's process is taken for gone: it has no key any more."""
AT_ONCE = 200
"""Rows that are in memory at once."""
JOBS_NAMED = 10


@dataclass(frozen=True)
class NewKey:
    """What was done.

    Attributes:
        file: where the new key is.
        former_file: where the old one is kept.
        resealed: how many values were sealed anew, by the names of the tables; none that has none.
        warnings: what the user should know.
    """

    file: Path
    former_file: Path
    resealed: dict[str, int]
    warnings: tuple[str, ...]


class _DryRun(Exception):
    """Rolls back what a call in check mode has done."""


def regenerate_key(options: StoreOptions, *, dry_run: bool = False) -> NewKey:
    """Makes a new key and seals everything in the store with it.

    Args:
        options: where the store is.
        dry_run: only see whether that can be done.

    Raises:
        Failure: `InvalidConfiguration`, where jobs run whose processes have the key, where something does not
            open with it, or where a file can't be written. The store is as it was, but for the last: the
            message says where the new key is.
    """
    database = Database(options)
    try:
        warnings = tuple(database.warnings)
        change = _Change(options.secret_key_file, open_box(database, options), dry_run=dry_run)
        try:
            with suppress(_DryRun):
                database.write(change.work)
        except BaseException:
            change.forget(database)
            raise
        if not dry_run:
            database.write(change.put_in_place)
        return NewKey(options.secret_key_file, change.former, change.resealed, warnings)
    finally:
        database.close()


class _Change:
    """The change from one key to another.

    Attributes:
        former: the file that keeps the old key.
        resealed: how many values were sealed anew.
    """

    def __init__(self, place: Path, old: SecretBox, *, dry_run: bool) -> None:
        self._place = place
        self._old = old
        self._key = new_key()
        self._new = SecretBox(self._key, place)
        self._beside = key_beside(place, self._new.fingerprint)
        self._dry_run = dry_run
        self.former = key_beside(place, old.fingerprint)
        self.resealed: dict[str, int] = {}

    def work(self, connection: Connection) -> None:
        """Seals everything anew, and says that the new key counts."""
        one_at_a_time(connection, Lock.SEALING)
        refuse_former_key(connection, self._old)
        _refuse_running_jobs(connection)
        self.resealed.clear()
        for column in SEALED:
            count = _reseal(connection, column, self._old, self._new)
            if count:
                self.resealed[column.table.name] = self.resealed.get(column.table.name, 0) + count
        if self._dry_run:
            raise _DryRun
        self._write_keys()
        replace_fingerprint(connection, self._new.fingerprint)

    def _write_keys(self) -> None:
        keep_key(self._old.place, self.former)
        if self._place.exists():  # it may be another store's
            keep_key(self._place, key_beside(self._place, read_key(self._place, create=False).fingerprint))
        write_key(self._beside, self._key)

    def forget(self, database: Database) -> None:
        """Removes the new key where it does not count; it stays where that can't be known."""
        with suppress(Failure):
            if database.read(stored_fingerprint) != self._new.fingerprint:
                self._beside.unlink(missing_ok=True)

    def put_in_place(self, connection: Connection) -> None:
        """Puts the new key in the old one's place, unless yet another one counts by now."""
        one_at_a_time(connection, Lock.SEALING)
        if stored_fingerprint(connection) != self._new.fingerprint:
            return
        try:
            write_key(self._place, self._key, replace=True)
        except Failure as failure:
            raise Failure(
                "InvalidConfiguration",
                f"All secrets are sealed with a new key, which is in {self._beside}, but {failure.message}",
                hint=f"Copy {self._beside} to {self._place}, with the same mode and owner.",
            ) from failure


def _refuse_running_jobs(connection: Connection) -> None:
    """Jobs' processes have the key they were started with, and may seal something more with it."""
    heard = func.coalesce(jobs.c.heartbeat, jobs.c.created)
    running = select(jobs.c.id, jobs.c.name, jobs.c.controller_node).where(
        jobs.c.status.in_(ACTIVE), heard > clock(connection) - SILENCE
    )
    found = connection.execute(running.order_by(jobs.c.id)).all()
    if found:
        named = ", ".join(f"job {row.id} ({row.name}) on {row.controller_node}" for row in found[:JOBS_NAMED])
        more = f" and {len(found) - JOBS_NAMED} more" if len(found) > JOBS_NAMED else ""
        raise Failure(
            "InvalidConfiguration",
            f"The secret key can't be changed while jobs run whose processes have it: {named}{more}.",
            hint="Wait for them with job_wait, or cancel them with job_cancel.",
        )


def _reseal(connection: Connection, column: Column[str], old: SecretBox, new: SecretBox) -> int:
    """Seals one column anew; how many values it has."""
    number = column.table.c.id
    changing = update(column.table).where(number == bindparam("number"))
    statement = changing.values({column.name: bindparam("resealed")})
    count = last = 0
    while True:
        some = select(number, column).where(number > last, column.is_not(None)).order_by(number)
        found = connection.execute(some.limit(AT_ONCE).with_for_update()).all()
        if not found:
            return count
        changed = []
        for row in found:
            try:
                changed.append({"number": row[0], "resealed": old.resealed(row[1], new)})
            except Failure as failure:
                raise Failure(
                    "InvalidConfiguration",
                    f"{failure.message} It is {column.name} of {column.table.name} {row[0]}; the key was not"
                    " changed.",
                ) from failure
        connection.execute(statement, changed)
        count += len(found)
        last = found[-1][0]
