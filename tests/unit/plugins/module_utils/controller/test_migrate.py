# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations make just the tables that the code knows."""

from __future__ import annotations

import warnings
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from ansible_collections.jobpods.controller.plugins.module_utils.controller import migrate, object_tables
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import metadata
from sqlalchemy import Connection, Index, create_engine, text
from sqlalchemy.exc import SAWarning


def index_names(connection: Connection) -> set[str]:
    """Of SQLite's own list: its indexes on expressions are no others' business."""
    found = connection.execute(
        text("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    )
    return {str(name) for name in found.scalars()}


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/migrated.db")
    with engine.begin() as connection:
        migrate.migrate(connection)
        with warnings.catch_warnings():
            # Indexes on expressions are not compared; below, their names are.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", SAWarning)
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        known: set[Index] = {index for table in metadata.tables.values() for index in table.indexes}
        assert index_names(connection) == {index.name for index in known}
    engine.dispose()


def test_the_latest_migration_is_the_one_that_is_asked_for() -> None:
    assert ScriptDirectory(str(migrate.MIGRATIONS)).get_current_head() == migrate.LATEST


def test_a_new_store_has_a_controlplane(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/new.db")
    with engine.begin() as connection:
        migrate.migrate(connection)
        migrate.migrate(connection)  # again, which changes nothing
        (group,) = connection.execute(object_tables.container_groups.select()).all()
    engine.dispose()
    assert (group.name, group.is_container_group) == (object_tables.CONTROLPLANE, False)
