# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations make just the tables that the code knows."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from ansible_collections.jobpods.controller.plugins.module_utils.controller import migrate, object_tables
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import metadata
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.postgresql import PostgreSQL
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    asked,
    connected,
    on_new_databases,
    sqlite_only,
)
from sqlalchemy import Connection, Index, text
from sqlalchemy.exc import SAWarning

INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": """
        SELECT relname FROM pg_class JOIN pg_index ON indexrelid = oid
        WHERE relnamespace = 'public'::regnamespace AND NOT EXISTS (
            SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
    """,
}


def index_names(connection: Connection) -> set[str]:
    """Of the database's own list, without those of keys."""
    return {str(name) for name in connection.execute(text(INDEXES[connection.dialect.name])).scalars()}


@on_new_databases
def test_the_migrations_make_the_tables_that_the_code_knows(options: StoreOptions) -> None:
    Database(options).close()
    with connected(options) as connection:
        with warnings.catch_warnings():
            # Indexes on expressions are not compared on SQLite; below, their names are.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", SAWarning)
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        known: set[Index] = {index for table in metadata.tables.values() for index in table.indexes}
        assert index_names(connection) == {index.name for index in known}


def test_the_latest_migration_is_the_one_that_is_asked_for() -> None:
    assert ScriptDirectory(str(migrate.MIGRATIONS)).get_current_head() == migrate.LATEST


@on_new_databases
def test_a_new_store_has_a_controlplane(options: StoreOptions) -> None:
    Database(options).close()
    with connected(options) as connection:
        migrate.migrate(connection)  # again, which changes nothing
        (group,) = connection.execute(object_tables.container_groups.select()).all()
    assert (group.name, group.is_container_group) == (object_tables.CONTROLPLANE, False)


@sqlite_only
def test_sqlite_gives_no_number_twice(options: StoreOptions) -> None:
    """As PostgreSQL's sequences do by themselves; comparing the tables does not tell."""
    Database(options).close()
    made = dict(map(tuple, asked(options, text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))))
    numbered = [table.name for table in metadata.tables.values() if "id" in table.c]
    assert {"jobs", "credentials", "workflow_nodes"} <= set(numbered)
    assert [name for name in numbered if "PRIMARY KEY AUTOINCREMENT" not in made[name]] == []


@on_new_databases
def test_missing_alembic_is_told(options: StoreOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alembic", None)
    monkeypatch.setitem(sys.modules, "alembic.config", None)
    with pytest.raises(Failure, match=r"Python library alembic >= 1\.13 is missing") as caught:
        Database(options)
    assert "pip install 'alembic >= 1.13'" in caught.value.hint
    monkeypatch.undo()
    Database(options).close()
    monkeypatch.setitem(sys.modules, "alembic.config", None)
    Database(options).close()  # which needs none, once the tables are there


def test_database_that_can_not_hold_all_texts_is_refused(postgresql: PostgreSQL, tmp_path: Path) -> None:
    with postgresql.database(encoding="LATIN1") as url:
        with pytest.raises(Failure, match="encoding LATIN1") as caught:
            Database(store_options({"database_url": url}, {}, tmp_path))
        assert caught.value.reason == "InvalidConfiguration"
