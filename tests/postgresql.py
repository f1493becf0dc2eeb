# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of the tests' own, of Debian's package postgresql: private, and gone with them."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

USER = "jobpods"
DEADLINE = 120.0
"""Seconds for its start and for its end; only a net against a hang."""
DEBIAN = Path("/usr/lib/postgresql")
SETTINGS = {
    "listen_addresses": "",  # a socket in its folder is all that there is
    "max_connections": "200",
    # What it holds is worth nothing after the tests.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}


class PostgreSQL:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    @contextmanager
    def database(self, encoding: str = "UTF8") -> Iterator[str]:
        """The URL of a new and empty database, which is gone after the block."""
        name = f"test{next(self._numbers)}"
        making = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {}")
        self._run(making.format(sql.Identifier(name), sql.Literal(encoding)))
        try:
            yield f"postgresql+psycopg://{USER}@/{name}?host={self._folder}"
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(
            host=str(self._folder), user=USER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """Runs a server for as long as the block lasts.

    It refuses to be root's, so root has somebody else run it. Its folder is not pytest's, which nobody else
    may enter, and whose name may be too long for a socket.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="jobpods-postgresql-", dir="/tmp"))
    try:
        command = _as_ordinary_user(folder)
        data = folder / "data"
        making = [f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [*command, programs / "initdb", f"--pgdata={data}", *making],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "TZ": "UTC"},
            check=True,
            capture_output=True,
            timeout=DEADLINE,
        )
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, programs / "postgres", "-D", data, "-k", folder, *settings],
                cwd=folder,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _await(folder, server)
            yield PostgreSQL(folder)
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait(DEADLINE)
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """The folder of the newest server's programs."""
    found = {
        float(version.group()): path
        for path in DEBIAN.glob("*/bin")
        if (path / "postgres").exists() and (version := re.fullmatch(r"[\d.]+", path.parent.name))
    }
    assert found, f"no PostgreSQL in {DEBIAN}: run the tests with make test, or install Debian's postgresql"
    return found[max(found)]


def _as_ordinary_user(folder: Path) -> Sequence[str]:
    """Start of a command line: for an ordinary user, and for no longer than the tests run, even if killed."""
    command = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")  # comes with the package
        os.chown(folder, account.pw_uid, account.pw_gid)
        command += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return command


def _await(folder: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
            return
        except psycopg.OperationalError as exc:
            ended = server.poll() is not None or time.monotonic() > deadline
            assert not ended, f"{exc}\n{(folder / 'log').read_text(errors='replace')}"
        time.sleep(0.05)
