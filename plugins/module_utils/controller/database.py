# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: opened, made where there is none, and written in short transactions."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.controller.engines import connect
from ansible_collections.jobpods.controller.plugins.module_utils.controller.migrate import (
    LATEST,
    migrate,
    version,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, Engine, extract, func, select
from sqlalchemy.exc import DBAPIError

RETRY_LIMIT = 30.0
RETRY_PAUSE = 0.05
LONGEST_PAUSE = 1.0
CONFLICTS = 5
"""How often a transaction is done again because another one has made, or taken away, what it counted on."""
CONFLICTING = frozenset(("23505", "23503", "23001"))  # unique, foreign key, RESTRICT
PASSING = frozenset(("40001", "40P01", "55P03"))  # serialization, deadlock, lock_timeout
BUSY_SERVER = frozenset(("53300", "57P03"))  # too many connections, starting up or shutting down
"""SQLSTATEs (PostgreSQL: Error Codes)."""

T = TypeVar("T")


class Database:
    """One database.

    Attributes:
        warnings: what the user should know about it.
    """

    def __init__(self, options: StoreOptions) -> None:
        """Opens it; makes its tables, or brings them to the version that is known here.

        Raises:
            Failure: `InvalidConfiguration`, where that can't be done; it never shows the URL, which may hold
                a password.
        """
        self._options = options
        self._opened = False
        self._box: SecretBox | None = None
        engine, self.warnings = connect(options)
        # What a transaction reads is of one moment, on PostgreSQL as well as on SQLite.
        server = engine.dialect.name == "postgresql"
        reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if server else {}
        writing = {"isolation_level": "READ COMMITTED"} if server else {}
        self._reader = engine.execution_options(**reading)
        self._writer = engine.execution_options(writes=True, **writing)
        try:
            if self.read(version) != LATEST:
                self.write(migrate)
        except Failure:
            self.close()
            raise
        self._opened = True

    def close(self) -> None:
        """Closes it."""
        self._writer.dispose()

    def tie(self, box: SecretBox, check: Callable[[Connection], None]) -> None:
        """Has a look at each transaction that may write what a box has sealed, before it is committed.

        Args:
            box: it knows whether it was used.
            check: raises where the box's key does not count any more, which rolls the transaction back.
        """
        self._box = box
        self._check = check

    def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction that reads, again where another one was in its way.

        Raises:
            Failure: `InvalidConfiguration`, where the database refuses for longer than `RETRY_LIMIT`.
        """
        return self._run(self._reader, work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction that writes, again where another one was in its way.

        On PostgreSQL others may write at the same time: a row that it reads in order to change it has to be
        locked (`with_for_update`). Where another one makes what it makes, or deletes what it refers to, it is
        done again, and sees that.

        Raises:
            Failure: `InvalidConfiguration`, where the database refuses for longer than `RETRY_LIMIT`.
        """

        def checked(connection: Connection) -> T:
            result = work(connection)
            if self._box is not None and self._box.used:
                self._check(connection)
            return result

        try:
            return self._run(self._writer, checked)
        finally:
            if self._box is not None:
                self._box.used = False

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        deadline = time.monotonic() + RETRY_LIMIT
        conflicts = tries = 0
        while True:
            begun = done = False
            try:
                with engine.begin() as connection:
                    begun = True
                    result = work(connection)
                    done = True
                return result
            except DBAPIError as exc:
                lost = exc.connection_invalidated or (not begun and _of_server(exc))
                if lost and done and engine is self._writer:
                    raise self._unsure(exc) from exc
                conflict = _sqlstate(exc) in CONFLICTING
                conflicts += conflict
                again = _locked(exc) or (lost and self._opened) or (conflict and conflicts <= CONFLICTS)
                if not again or time.monotonic() > deadline:
                    raise self.failure(exc) from exc
            pause = min(RETRY_PAUSE * 2 ** min(tries, 10), LONGEST_PAUSE) if lost else RETRY_PAUSE
            time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - so that writers don't keep in step
            tries += 1

    def failure(self, error: DBAPIError) -> Failure:
        """What a database's error means for the user."""
        return Failure("InvalidConfiguration", f"The database {self._where} can't be used: {_words(error)}.")

    def _unsure(self, error: DBAPIError) -> Failure:
        return Failure(
            "InvalidConfiguration",
            f"The database {self._where} went away before it could tell whether it has written something:"
            f" {_words(error)}.",
            hint="Look whether it was done, and do it again if not.",
        )

    @property
    def _where(self) -> str:
        file, option = self._options.database_file, self._options.database_option
        return "given in database_url" if file is None else f"{file} ({option})"


def clock(connection: Connection) -> float:
    """Seconds since the epoch, by the one clock that all who share the database go by."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one())
    return time.time()  # SQLite's users are on one machine


def _sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's code of an error; empty for SQLite, and where the server did not answer."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def _of_server(error: DBAPIError) -> bool:
    return not isinstance(error.orig, sqlite3.Error)


def _locked(error: DBAPIError) -> bool:
    """Whether another transaction, or too many of them, were in the way."""
    original = error.orig
    if isinstance(original, sqlite3.OperationalError):
        return "locked" in str(original) or "busy" in str(original)
    return _sqlstate(error) in PASSING | BUSY_SERVER


def _words(error: DBAPIError) -> str:
    """A database's own words, without the values that PostgreSQL adds as details."""
    told = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
    return " ".join(str(told).split()).rstrip(".")
