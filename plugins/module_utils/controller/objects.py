# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stored objects: made, edited, renamed, copied, deleted and listed, all kinds in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.locks import Lock, one_at_a_time
from ansible_collections.jobpods.controller.plugins.module_utils.controller.lookup import Lookup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_editing import (
    ObjectEditor,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_records import (
    Change,
    Check,
    Reader,
    StoredObject,
    Values,
    Wanted,
    unchecked,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_secrets import HIDDEN
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_work import (
    ObjectWork,
    read_object,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.controller.storable import is_storable
from sqlalchemy import Connection, select

__all__ = [
    "HIDDEN",
    "Change",
    "Check",
    "ObjectEditor",
    "ObjectStore",
    "Reader",
    "StoredObject",
    "Values",
    "Wanted",
    "unchecked",
]

T = TypeVar("T")


class _DryRun(Exception):
    """Rolls back what a call in check mode has done."""


class ObjectStore:
    """The objects of one database. Not for several threads at once."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    def save(
        self,
        kind: str,
        wanted: Wanted,
        *,
        check: Check = unchecked,
        dry_run: bool = False,
    ) -> Change:
        """Makes an object what is wanted.

        Args:
            kind: its kind.
            wanted: what it shall be.
            check: told the object's values as they would be, and how to read the objects that they refer to;
                returns them in their final form, or raises. It may be called again.
            dry_run: only tell what would change.

        Raises:
            Failure: `InvalidConfiguration`, where that can't be; the message names the option.
        """

        def work(connection: Connection) -> Change:
            return ObjectWork(connection, self._box, KINDS[kind]).save(wanted, check)

        return self._write(work, dry_run)

    def delete(self, kind: str, wanted: Wanted, *, dry_run: bool = False) -> Change:
        """Deletes an object, where there is one and nothing uses it.

        Raises:
            Failure: `InvalidConfiguration`, which names its users.
        """
        return self._write(
            lambda connection: ObjectWork(connection, self._box, KINDS[kind]).delete(wanted), dry_run
        )

    def edit(self, work: Callable[[ObjectEditor], T], *, dry_run: bool = False) -> T:
        """Makes many objects what is wanted.

        Args:
            work: gets what does it; each object is saved in a transaction of its own, so that others need not
                wait for all of them.
            dry_run: only tell what would change. Since objects need those before them, all of `work` is done
                in one transaction, and undone; it may be called again.
        """
        if dry_run:
            return self._write(lambda connection: work(self._within(connection)), dry_run=True)
        return work(ObjectEditor(self._database.read, lambda inner: self._write(inner, False), self._box))

    def _within(self, connection: Connection) -> ObjectEditor:
        """An editor all of whose work is in one transaction."""
        return ObjectEditor(lambda inner: inner(connection), lambda inner: inner(connection), self._box)

    def get(self, kind: str, called: object, option: str, organization: object | None = None) -> StoredObject:
        """The object that an option names.

        Args:
            kind: its kind.
            called: its name or id.
            option: for messages.
            organization: name or id of the organization it is in, where several have its name.

        Raises:
            Failure: `InvalidConfiguration`, where there is none or are several.
        """

        def work(connection: Connection) -> StoredObject:
            lookup = Lookup(connection)
            within = None
            if organization is not None:
                within = lookup.get(KINDS["organization"], organization, "organization").id
            row = lookup.get(KINDS[kind], called, option, within)
            return ObjectWork(connection, self._box, KINDS[kind]).stored(row)

        return self._database.read(work)

    def by_id(self, kind: str, number: int) -> StoredObject:
        """The object of an id that another one refers to."""
        return self._database.read(lambda connection: read_object(connection, self._box, kind, number))

    def list(self, kind: str, **filters: object) -> list[Values]:
        """Objects as they are shown to users, by name.

        Args:
            kind: their kind.
            filters: `name`, or options with the values that they have; of a reference the other object's name
                or id, of a list an object that is in it.

        Raises:
            Failure: `InvalidConfiguration`, where a filter names no object.
        """

        def work(connection: Connection) -> list[Values]:
            own, lookup = KINDS[kind], Lookup(connection)
            statement = select(own.table)
            others: dict[str, object] = {}
            for option, value in filters.items():
                if option == "name":
                    name = str(value) if is_storable(str(value)) else None
                    statement = statement.where(own.table.c.name == name)
                elif option in own.references:
                    number = lookup.get(KINDS[own.references[option]], value, option).id
                    statement = statement.where(own.table.c[f"{option}_id"] == number)
                else:
                    others[option] = value
            worker = ObjectWork(connection, self._box, own)
            found = [worker.shown(worker.stored(row)) for row in connection.execute(statement).all()]
            fitting = [shown for shown in found if all(_fits(shown[name], others[name]) for name in others)]
            # Here, since databases differ in what order names have.
            return sorted(fitting, key=lambda shown: (shown["name"], shown["id"]))

        return self._database.read(work)

    def _write(self, work: Callable[[Connection], T], dry_run: bool) -> T:
        undone: list[T] = []

        def defining(connection: Connection) -> T:
            one_at_a_time(connection, Lock.DEFINING)
            result = work(connection)
            if dry_run:
                undone[:] = [result]
                raise _DryRun
            return result

        try:
            return self._database.write(defining)
        except _DryRun:
            return undone[0]


def _fits(value: object, wanted: object) -> bool:
    return wanted in value if isinstance(value, list) else value == wanted
