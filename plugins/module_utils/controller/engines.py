# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How databases are connected to: SQLite's files, which are made here, and PostgreSQL's servers."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    VARIABLES,
    StoreOptions,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

BUSY_TIMEOUT = 30.0
"""Seconds that a transaction waits for the lock of another."""
IDLE_LIMIT = 60.0
"""Seconds after which PostgreSQL ends a transaction whose process does nothing, for example since it was
stopped: others may wait for its locks."""
CONNECT_ARGUMENTS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    "client_encoding": "utf8",
}
"""So that a server that has gone away without a word is noticed before the half minute is over after which
the jobs of a process that says nothing are taken over (libpq: Parameter Key Words). Keepalives are for a
server from which an answer is due; the timeout, in milliseconds, for what is sent and not acknowledged."""
POSTGRESQL = "postgresql+psycopg"
NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs", "fuse.glusterfs")
)
"""On which SQLite's WAL does not work: it needs shared memory (SQLite: Write-Ahead Logging)."""


def connect(options: StoreOptions) -> tuple[Engine, list[str]]:
    """An engine for the database, and what the user should know about it.

    Transactions on SQLite take its lock at once where they have the execution option `writes`.

    Raises:
        Failure: `InvalidConfiguration`, where the file can't be made, or the URL or its driver can't be used;
            it never shows the URL.
    """
    file = options.database_file
    if file is None:
        return _server_engine(options.database_url), []
    _make_private(file, options.database_option)
    kind = file_system(file)
    if kind not in NETWORK_FILE_SYSTEMS:
        return _sqlite_engine(file, wal=True), []
    warning = (
        f"The database {file} is on a network file system ({kind}), where SQLite is slow and only as safe as"
        " its locks; use a local disk, or PostgreSQL for several controllers."
    )
    return _sqlite_engine(file, wal=False), [warning]


def _server_engine(text: str) -> Engine:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise Failure(
            "InvalidConfiguration",
            "database_url is not a URL of a database; give one like postgresql+psycopg://user@host/jobpods.",
        ) from None  # its words may hold the password
    if url.drivername not in ("postgresql", POSTGRESQL):
        raise Failure(
            "InvalidConfiguration",
            f"database_url begins with {url.drivername}://; it must begin with sqlite:/// or {POSTGRESQL}://.",
        )
    arguments = {name: value for name, value in CONNECT_ARGUMENTS.items() if name not in url.query}
    try:
        engine = create_engine(
            url.set(drivername=POSTGRESQL),
            pool_size=1,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=arguments,
        )
    except ImportError as exc:  # also where psycopg finds no libpq
        raise Failure(
            "InvalidConfiguration",
            f"database_url needs the Python library psycopg on the controller, in {sys.executable}: {exc}.",
            hint=f"Install it with: {sys.executable} -m pip install 'psycopg[binary]'",
        ) from exc

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(f"SET lock_timeout = {int(BUSY_TIMEOUT * 1000)}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {int(IDLE_LIMIT * 1000)}")
        connection.autocommit = False

    return engine


def _sqlite_engine(file: Path, *, wal: bool) -> Engine:
    url = URL.create("sqlite", database=str(file))
    arguments = {"timeout": BUSY_TIMEOUT, "check_same_thread": False}
    engine = create_engine(url, hide_parameters=True, connect_args=arguments)

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
            "InvalidConfiguration",
            f"{option}: the folder {folder} can't be made: {exc.strerror}.",
            hint=_elsewhere(option),
        ) from exc
    try:
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # Only asked, not tried: closing a file drops the locks that SQLite may hold on it in this process.
        if not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, "no permission to read and write it")
    except OSError as exc:
        raise Failure(
            "InvalidConfiguration",
            f"{option}: the database {file} can't be made or opened: {exc.strerror}.",
            hint=_elsewhere(option),
        ) from exc


def _elsewhere(option: str) -> str:
    """What to do where a place can't be written to, as the home folder in many containers."""
    return f"Give {option}, or {VARIABLES[option]}, a place that this user may write to."


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
