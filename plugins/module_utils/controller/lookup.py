# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds stored objects by what users call them: a name, or an id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS, Kind
from ansible_collections.jobpods.controller.plugins.module_utils.controller.storable import (
    MAX_ID,
    is_id,
    is_storable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import ColumnElement, Connection, Row, select

NAMED_AT_MOST = 10
"""Names that a message lists of those that there are."""


class Lookup:
    """Finds objects in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names: dict[tuple[str, int], str] = {}

    def find(
        self, kind: Kind, called: object, scope: Mapping[str, Any] | None = None, *, lock: bool = False
    ) -> Row[Any] | None:
        """The row of an object, or None.

        Args:
            kind: its kind.
            called: its name; else, where it is a number, its id.
            scope: values of the columns of its scope that are known, for example `{"organization_id": 3}`.
            lock: it will be changed in this transaction.

        Raises:
            Failure: `InvalidConfiguration`, where several have this name.
        """
        text, columns = str(called), kind.table.c
        if not is_storable(text):
            return None
        known = [columns[name] == value for name, value in (scope or {}).items()]
        found = self._rows([columns.name == text, *known], kind, lock)
        if not found and text.isdecimal() and len(text) <= len(str(MAX_ID)) and is_id(int(text)):
            found = self._rows([columns.id == int(text), *known], kind, lock)
        if len(found) > 1:
            raise _invalid(
                f"There are {len(found)} of kind {kind.words} with the name {called!r}; give"
                f" {' and '.join(kind.scope)}, or its id (one of {', '.join(str(row.id) for row in found)})."
            )
        return found[0] if found else None

    def get(self, kind: Kind, called: object, option: str, organization: int | None = None) -> Row[Any]:
        """The row of an object that an option names.

        Args:
            kind: its kind.
            called: its name or id.
            option: for messages.
            organization: where several have this name, the one of this organization is meant.

        Raises:
            Failure: `InvalidConfiguration`, where there is none or are several.
        """
        row = self.prefer(kind, called, option, organization)
        if row is None:
            raise self.unknown(kind, called, option)
        return row

    def prefer(
        self, kind: Kind, called: object, option: str, organization: int | None, *, lock: bool = False
    ) -> Row[Any] | None:
        """As `get`; None where there is none.

        Raises:
            Failure: `InvalidConfiguration`, where several have this name, and none of them is the one of the
                organization.
        """
        try:
            row = None
            if organization is not None and "organization" in kind.scope:
                row = self.find(kind, called, {"organization_id": organization}, lock=lock)
            return row if row is not None else self.find(kind, called, lock=lock)
        except Failure as failure:
            raise _invalid(f"{option}: {failure.message}") from failure

    def unknown(self, kind: Kind, called: object, option: str) -> Failure:
        """What to raise where an option names no object."""
        if not str(called).strip():
            return _invalid(f"{option} is empty; give the name of one {kind.words}{self._others(kind)}.")
        return _invalid(f"{option}: there is no {kind.words} {str(called)[:80]!r}{self._others(kind)}.")

    def names(self, kind: str, ids: Iterable[int | None]) -> dict[int, str]:
        """The names of objects, by their ids."""
        wanted = {number for number in ids if number is not None}
        missing = [number for number in wanted if (kind, number) not in self._names]
        if missing:
            columns = KINDS[kind].table.c
            named = select(columns.id, columns.name).where(columns.id.in_(missing))
            self._names.update({(kind, row.id): row.name for row in self._connection.execute(named)})
        return {number: self._names[kind, number] for number in wanted if (kind, number) in self._names}

    def _rows(self, conditions: Sequence[ColumnElement[bool]], kind: Kind, lock: bool) -> Sequence[Row[Any]]:
        statement = select(kind.table).where(*conditions).order_by(kind.table.c.id)
        return self._connection.execute(statement.with_for_update() if lock else statement).all()

    def _others(self, kind: Kind) -> str:
        """The end of a sentence that tells which objects there are."""
        names = select(kind.table.c.name).order_by(kind.table.c.name).limit(NAMED_AT_MOST + 1)
        found = [str(name) for name in self._connection.execute(names).scalars()]
        if not found:
            return "; none is stored"
        more = ", ..." if len(found) > NAMED_AT_MOST else ""
        return f" (there are: {', '.join(found[:NAMED_AT_MOST])}{more})"


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
