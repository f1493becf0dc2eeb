# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: opened, made where there is none, and written in short transactions."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.controller.migrate import (
    LATEST,
    migrate,
    version,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import URL, Connection, Engine, create_engine, event, extract, func, select
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
        self.warnings: list[str] = []
        self._options = options
        self._engine = self._connect(options)
        self._writer = self._engine.execution_options(writes=True)
        try:
            if self.read(version) != LATEST:
                self.write(migrate)
        except Failure:
            self.close()
            raise

    def close(self) -> None:
        """Closes it."""
        self._engine.dispose()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction that reads, again where another one was in its way.

        Raises:
            Failure: `InvalidConfiguration`, where the database refuses for longer than `RETRY_LIMIT`.
        """
        return self._run(self._engine, work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction that writes, again where another one was in its way.

        Raises:
            Failure: `InvalidConfiguration`, where the database refuses for longer than `RETRY_LIMIT`.
        """
        return self._run(self._writer, work)

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        deadline = time.monotonic() + RETRY_LIMIT
        while True:
            try:
                with engine.begin() as connection:
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

    def _connect(self, options: StoreOptions) -> Engine:
        file = options.database_file
        if file is None:
            return _server_engine(options.database_url)
        _make_private(file, options.database_option)
        kind = file_system(file)
        if kind in NETWORK_FILE_SYSTEMS:
            self.warnings.append(
                f"The database {file} is on a network file system ({kind}), where SQLite is slow and only as"
                " safe as its locks; use a local disk, or PostgreSQL for several controllers."
            )
        return _sqlite_engine(file, wal=kind not in NETWORK_FILE_SYSTEMS)


def clock(connection: Connection) -> float:
    """Seconds since the epoch, by the one clock that all who share the database go by."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one())
    return time.time()  # SQLite's users are on one machine


def _server_engine(url: str) -> Engine:
    try:
        engine = create_engine(url, pool_size=1, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ValueError):  # ValueError: a port that is no number
        raise Failure(
            "InvalidConfiguration", "database_url is not a URL of a database that SQLAlchemy knows."
        ) from None  # its words may hold the password
    except ModuleNotFoundError as exc:
        raise Failure("InvalidConfiguration", f"database_url needs the Python library {exc.name}.") from exc
    if engine.dialect.is_async:
        raise Failure(
            "InvalidConfiguration", f"database_url names the asynchronous driver {engine.dialect.driver}."
        )
    return engine


def _sqlite_engine(file: Path, *, wal: bool) -> Engine:
    url = URL.create("sqlite", database=str(file))
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False})

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


def _make_private(file: Path, option: str) -> None:
    """Makes the folder and the file, readable by their owner only; SQLite's other files get the same mode."""
    folder = file.parent
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise Failure(
            "InvalidConfiguration", f"{option}: the folder {folder} can't be made: {exc.strerror}."
        ) from exc
    try:
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # Only asked, not tried: closing a file drops the locks that SQLite may hold on it in this process.
        if not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, "no permission to read and write it")
    except OSError as exc:
        raise Failure(
            "InvalidConfiguration", f"{option}: the database {file} can't be made or opened: {exc.strerror}."
        ) from exc


def file_system(path: Path) -> str:
    """Type of the file system that a path lies on, as in /proc/mounts; "" where that can't be known."""
    best, kind = "", ""
    with suppress(OSError):
        whole = str(path.resolve())
        for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            mount, this = line.split()[1:3]
            mount = mount.replace("\\040", " ")
            if len(mount) >= len(best) and (whole + "/").startswith(mount.rstrip("/") + "/"):
                best, kind = mount, this
    return kind


def _locked(error: OperationalError) -> bool:
    original = error.orig
    if isinstance(original, sqlite3.OperationalError):
        return "locked" in str(original) or "busy" in str(original)
    return False
