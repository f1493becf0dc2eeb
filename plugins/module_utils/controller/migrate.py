# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a database's tables to the version that this collection knows, by Alembic's migrations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.jobpods.controller.plugins.module_utils.controller.locks import Lock, one_at_a_time
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep

LATEST = "0001"
"""The last in migrations/versions: a database that has it needs no Alembic, whose import takes a while."""
ALEMBIC = "alembic >= 1.13"
MIGRATIONS = Path(__file__).with_name("migrations")


def version(connection: Connection) -> str | None:
    """The last migration that a database has had; None where it has no tables yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def migrate(connection: Connection) -> None:
    """Makes or changes the tables, in the transaction that looks at them: of many that do at once, one does.

    Raises:
        Failure: `InvalidConfiguration`, where the database is of a later version of this collection, or can't
            hold every text, or where Alembic is missing.
    """
    one_at_a_time(connection, Lock.MIGRATING)
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise Failure(
                "InvalidConfiguration",
                f"The database given in database_url has the encoding {encoding}, which can't hold all texts;"
                " make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
            )
    found = version(connection)
    if found == LATEST:
        return
    try:
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory
    except ModuleNotFoundError as exc:
        raise Failure(
            "InvalidConfiguration",
            f"The Python library {ALEMBIC} is missing on the controller, in {sys.executable}.",
            hint=f"Install it with: {sys.executable} -m pip install '{ALEMBIC}'",
        ) from exc

    scripts = ScriptDirectory(str(MIGRATIONS))
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise Failure(
            "InvalidConfiguration",
            f"The database was made by a later version of this collection (tables {found}, this one knows"
            f" {LATEST}); upgrade the collection, or give another database_url.",
        )

    def steps(revision: str, _context: MigrationContext) -> list[RevisionStep]:
        return list(scripts._upgrade_revs(LATEST, revision))

    with EnvironmentContext(Config(), scripts, fn=steps, destination_rev=LATEST) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
