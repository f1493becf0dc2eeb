# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: opened, made where there is none, and written in short transactions."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.controller import tables
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

BUSY_TIMEOUT = 30.0
"""Seconds that a transaction waits for the lock of another."""
RETRY_LIMIT = 30.0
RETRY_PAUSE = 0.05
NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs", "fuse.glusterfs")
)
"""On which SQLite's WAL does not work: it needs shared memory (SQLite: Write-Ahead Logging)."""

T = TypeVar("T")


class Database:
    """One database."""

    def __init__(self, options: StoreOptions) -> None:
        """Opens it; makes tables where there are none.

        Raises:
            Failure: `InvalidConfiguration`, where that can't be done; it never shows the URL, which may hold a
                password.
        """
        self._options = options
        self._engine = _engine(options)
        self._writer = self._engine.execution_options(writes=True)
        try:
            self.write(_prepare)
        except Failure:
            self.close()
            raise

    def close(self) -> None:
        """Closes it."""
        self._engine.dispose()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction that reads."""
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except DBAPIError as exc:
            raise self.failure(exc) from exc

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction that writes, again where another one was in its way.

        Raises:
            Failure: `InvalidConfiguration`, where the database refuses for longer than `RETRY_LIMIT`.
        """
        deadline = time.monotonic() + RETRY_LIMIT
        while True:
            try:
                with self._writer.begin() as connection:
                    return work(connection)
            except OperationalError as exc:
                if not _locked(exc) or time.monotonic() > deadline:
                    raise self.failure(exc) from exc
            except DBAPIError as exc:
                raise self.failure(exc) from exc
            time.sleep(RETRY_PAUSE * (0.5 + random.random()))  # noqa: S311 - so that writers don't keep in step

    def failure(self, error: DBAPIError) -> Failure:
        """What a database's error means for the user."""
        where = self._options.database_file or "given in database_url"
        return Failure("InvalidConfiguration", f"The database {where} can't be used: {error.orig}.")


def _engine(options: StoreOptions) -> Engine:
    file = options.database_file
    try:
        if file is None:
            return create_engine(options.database_url, pool_size=1, pool_pre_ping=True)
        _make_private(file)
        url = URL.create("sqlite", database=str(file))
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False})
    except (ArgumentError, NoSuchModuleError) as exc:
        raise Failure(
            "InvalidConfiguration", "database_url is not a URL of a database that SQLAlchemy knows."
        ) from exc
    except ModuleNotFoundError as exc:
        raise Failure("InvalidConfiguration", f"database_url needs the Python library {exc.name}.") from exc
    wal = file_system(file) not in NETWORK_FILE_SYSTEMS

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = (
            None  # transactions begin below, not where the driver thinks that they should
        )
        connection.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
        connection.execute("PRAGMA synchronous=NORMAL" if wal else "PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes then would fail at once where another one writes between.
        connection.exec_driver_sql(
            "BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN"
        )

    return engine


def _make_private(file: Path) -> None:
    """Makes the folder and the file, readable by their owner only; SQLite's other files get the same mode."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if not os.access(file, os.R_OK | os.W_OK):
            raise PermissionError(13, "no permission to read and write it")
    except OSError as exc:
        raise Failure(
            "InvalidConfiguration", f"The database {file} can't be made or opened: {exc.strerror}."
        ) from exc


def file_system(path: Path) -> str:
    """Type of the file system that a path lies on, as in /proc/mounts; "" where that can't be known."""
    best, kind = "", ""
    with suppress(OSError):
        whole = str(path.resolve())
        for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            mount, this = line.split()[1:3]
            if len(mount) >= len(best) and (whole + "/").startswith(mount.rstrip("/") + "/"):
                best, kind = mount, this
    return kind


def _prepare(connection: Connection) -> None:
    """Makes the tables in the transaction that looked for them: of many that do at once, one does."""
    tables.metadata.create_all(connection)
    version = connection.execute(
        select(tables.settings.c.value).where(tables.settings.c.name == "version")
    ).scalar()
    if version is None:
        connection.execute(insert(tables.settings).values(name="version", value=str(tables.VERSION)))
    elif int(version) > tables.VERSION:
        raise Failure(
            "InvalidConfiguration",
            f"The database was made by a later version of this collection (tables {version}, this one knows"
            f" {tables.VERSION}); upgrade the collection, or give another database_url.",
        )


def _locked(error: OperationalError) -> bool:
    original = error.orig
    if isinstance(original, sqlite3.OperationalError):
        return "locked" in str(original) or "busy" in str(original)
    return False
