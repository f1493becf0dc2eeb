# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What inventory sources have brought into their inventories, in the store; and when they are due again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database, clock
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import Listing
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_layers import (
    SourceContent,
    updated,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    inventory_sources,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, Row, select, update

DEFAULTS = KINDS["inventory_source"].settings


@dataclass(frozen=True)
class KnownSource:
    """An inventory source, and what it brings.

    Attributes:
        id: the source's.
        name: what it is called.
        content: what its updates found up to now; None before the first one.
        last_updated: seconds since the epoch; None before the first update.
        due: a launch on its inventory has to update it first.
    """

    id: int
    name: str
    content: SourceContent | None = field(repr=False)
    last_updated: float | None
    due: bool


class InventoryStore:
    """The contents of inventory sources in one database. Not for several threads at once."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    def sources(self, inventory_id: int) -> Sequence[KnownSource]:
        """The sources of an inventory, in the order in which they are merged into it."""
        columns = inventory_sources.c
        statement = select(inventory_sources).where(columns.inventory_id == inventory_id).order_by(columns.id)

        def work(connection: Connection) -> tuple[Sequence[Row[tuple[object, ...]]], float]:
            return connection.execute(statement).all(), clock(connection)

        rows, now = self._database.read(work)
        return [self._known(row, now) for row in rows]

    def contents(self, inventory_id: int) -> list[SourceContent]:
        """What the sources of an inventory bring, in the order in which it is merged into it."""
        return [source.content for source in self.sources(inventory_id) if source.content is not None]

    def save_update(self, source_id: int, found: Listing) -> bool:
        """Keeps what an update has found, together with what the source's options want to be kept.

        Args:
            source_id: the source's.
            found: what it listed.

        Returns:
            Whether the source brings anything else than before.

        Raises:
            Failure: `InvalidConfiguration`, where the source is no more.
        """
        columns = inventory_sources.c
        while True:
            row = self._database.read(
                lambda connection: connection.execute(
                    select(inventory_sources).where(columns.id == source_id)
                ).first()
            )
            if row is None:
                raise Failure("InvalidConfiguration", f"The inventory source {source_id} was deleted.")
            options = {**DEFAULTS, **row.settings}
            known = self._box.open(row.sealed_content) if row.sealed_content else None
            content = updated(
                known,
                found,
                overwrite=options["overwrite"],
                overwrite_vars=options["overwrite_vars"],
            )
            # Sealing a large inventory takes a while, so it is done outside of the transaction.
            sealed, before = self._box.seal(content), row.last_updated
            if self._database.write(lambda connection: _replace(connection, source_id, before, sealed)):  # noqa: B023
                return bool(content != known)

    def _known(self, row: Row[tuple[object, ...]], now: float) -> KnownSource:
        columns = row._mapping
        options = {**DEFAULTS, **columns["settings"]}
        content = None
        if columns["sealed_content"]:
            listing = self._box.open(columns["sealed_content"])
            content = SourceContent(listing, options["overwrite_vars"])
        last: float | None = columns["last_updated"]
        old = last is None or last + options["update_cache_timeout"] <= now
        return KnownSource(
            columns["id"], columns["name"], content, last, bool(options["update_on_launch"]) and old
        )


def _replace(connection: Connection, source_id: int, before: float | None, sealed: str) -> bool:
    """Writes a content unless another one was written since `before`; says whether it did."""
    columns = inventory_sources.c
    unchanged = columns.last_updated.is_(None) if before is None else columns.last_updated == before
    statement = update(inventory_sources).where(columns.id == source_id, unchanged)
    values = {"sealed_content": sealed, "last_updated": clock(connection)}
    return connection.execute(statement.values(values)).rowcount == 1
