# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of a test's own, on each of the databases, and what goes into it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import metadata
from ansible_collections.jobpods.controller.tests.postgresql import PostgreSQL
from sqlalchemy import (
    Connection,
    Executable,
    NullPool,
    Row,
    Table,
    column,
    create_engine,
    func,
    insert,
    select,
    text,
)

LAUNCH = {"playbook": "site.yml", "credentials": [{"password": "in the launch request"}]}
CONNECTION = {"host": "https://api.test", "api_key": "in the connection"}


def new_job(name: str = "site.yml") -> NewJob:
    return NewJob(
        uuid=uuid.uuid4().hex,
        type="job",
        name=name,
        wait=False,
        controller_node="controller.test",
        container_group=None,
        namespace="jobs",
        launch=LAUNCH,
        connection=CONNECTION,
    )


def printed(counter: int) -> str:
    """What the playbook prints with an event: colours, characters of many bytes, sometimes nothing."""
    return "" if counter % 7 == 0 else f"\x1b[0;32mok: [höst{counter}] => 🐄\x1b[0m"


def event_batch(first: int, last: int, offset: int | None = None) -> EventBatch:
    lines = [
        json.dumps({"counter": counter, "event": "runner_on_ok", "stdout": printed(counter)})
        for counter in range(first, last + 1)
    ]
    return EventBatch(
        first_counter=first,
        last_counter=last,
        lines="".join(f"{line}\n" for line in lines).encode(),
        stored_offset=last * 100 if offset is None else offset,
    )


@contextmanager
def connected(options: StoreOptions) -> Iterator[Connection]:
    """A transaction behind the store's back."""
    engine = create_engine(options.database_url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def asked(options: StoreOptions, statement: Executable) -> Sequence[Row[Any]]:
    """The rows that a statement finds behind the store's back."""
    with connected(options) as connection:
        return connection.execute(statement).all()


def done(options: StoreOptions, *statements: Executable) -> None:
    """Executes statements behind the store's back."""
    with connected(options) as connection:
        for statement in statements:
            connection.execute(statement)


def everything(options: StoreOptions) -> dict[str, list[str]]:
    """All that is stored, as text, by the names of the tables."""
    with connected(options) as connection:
        return {
            table.name: sorted(repr(row) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
        }


class Emptied:
    """A database on the server whose tables are made once: to empty them is quicker than to make them."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        Database(options).close()
        self._rows = {table: self._made(table) for table in metadata.sorted_tables}

    def url(self) -> str:
        """Its URL, when its tables are as the migrations made them."""
        others = func.pg_terminate_backend(column("pid"))
        mine = column("pid") != func.pg_backend_pid()
        here = column("datname") == func.current_database()
        names = ", ".join(table.name for table in self._rows)
        done(
            self._options,
            select(others).select_from(text("pg_stat_activity")).where(mine, here),
            text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"),
            *(insert(table).values(rows) for table, rows in self._rows.items() if rows),
        )
        return self._options.database_url

    def _made(self, table: Table) -> list[dict[str, Any]]:
        numbered = [column for column in table.c if column.name != "id"]
        return [dict(row._mapping) for row in asked(self._options, select(*numbered))]


@pytest.fixture(scope="session")
def emptied(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emptied]:
    """The database that the tests have in turn."""
    with postgresql.database() as url:
        yield Emptied(store_options({"database_url": url}, {}, tmp_path_factory.mktemp("emptied")))


@pytest.fixture(params=["sqlite", "postgresql"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreOptions]:
    """Where a test's store is; on PostgreSQL it has its tables, but for `new postgresql`."""

    def at(url: str | None) -> StoreOptions:
        return store_options({"data_dir": str(tmp_path / "store"), "database_url": url}, {}, tmp_path)

    if request.param == "sqlite":
        yield at(None)
    elif request.param == "postgresql":
        database: Emptied = request.getfixturevalue("emptied")
        yield at(database.url())
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        with server.database() as url:
            yield at(url)


sqlite_only = pytest.mark.parametrize("options", ["sqlite"], indirect=True)
"""For tests of SQLite's files and locks."""
postgresql_only = pytest.mark.parametrize("options", ["postgresql"], indirect=True)
"""For tests of what only a server does."""
on_new_databases = pytest.mark.parametrize("options", ["sqlite", "new postgresql"], indirect=True)
"""For tests of how the tables come to be."""


@pytest.fixture
def store(options: StoreOptions) -> Iterator[JobStore]:
    opened = JobStore.open(options)
    yield opened
    opened.close()
