# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many stored objects made what is wanted, one after another, where each may need those before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.lookup import Lookup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_records import (
    Change,
    Check,
    StoredObject,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_work import (
    ObjectWork,
    read_object,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection

T = TypeVar("T")
Run = Callable[[Callable[[Connection], Any]], Any]
"""Runs something in a transaction; which one that is, is for whoever gives it."""


class ObjectEditor:
    """Finds objects and makes them what is wanted."""

    def __init__(self, read: Run, write: Run, box: SecretBox) -> None:
        """Takes what to work with.

        Args:
            read: a transaction that reads.
            write: a transaction that writes.
            box: for secrets.
        """
        self._read = read
        self._write = write
        self._box = box

    def find(self, kind: str, name: str, scope: Mapping[str, Any]) -> StoredObject | None:
        """The object that has a name, or None; a number is a name, too, and never an id.

        Args:
            kind: its kind.
            name: what it is called.
            scope: the options that its name is unique with; references are ids, or None.
        """
        own = KINDS[kind]
        columns = {
            f"{option}_id" if option in own.references else option: value for option, value in scope.items()
        }

        def work(connection: Connection) -> StoredObject | None:
            row = Lookup(connection).find(own, name, columns)
            if row is None or row.name != name:
                return None
            return ObjectWork(connection, self._box, own).stored(row)

        found: StoredObject | None = self._read(work)
        return found

    def by_id(self, kind: str, number: int) -> StoredObject:
        """The object of an id that is known."""
        found: StoredObject = self._read(lambda connection: read_object(connection, self._box, kind, number))
        return found

    def save(self, kind: str, wanted: Wanted, check: Check) -> Change | Failure:
        """Makes an object what is wanted; see `ObjectStore.save`.

        Returns:
            What was done; or why it can't be, where it is the object's fault, and not the database's.
        """

        def work(connection: Connection) -> Change | Failure:
            try:
                return ObjectWork(connection, self._box, KINDS[kind]).save(wanted, check)
            except Failure as failure:  # nothing is written before everything is checked
                return failure

        done: Change | Failure = self._write(work)
        return done
