# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One transaction's work on stored objects of one kind."""

from __future__ import annotations

import json
import unicodedata
from copy import deepcopy
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS, Kind
from ansible_collections.jobpods.controller.plugins.module_utils.controller.lookup import Lookup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_given import GivenOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_records import (
    Change,
    Check,
    StoredObject,
    Values,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_secrets import (
    HIDDEN,
    without_secrets,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.controller.storable import is_storable
from ansible_collections.jobpods.controller.plugins.module_utils.controller.usage import users_of
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow_nodes import (
    OPTION as NODES,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow_nodes import (
    WorkflowNodes,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, Row, delete, insert, select, update

CONTROLPLANE_OPTIONS = ("description", "max_concurrent_jobs", "max_forks")
"""What can be set of the group that is built in."""
USERS_NAMED = 10
NAME_LENGTH = 512


class ObjectWork:
    """Reads, makes, changes and deletes objects of one kind in one transaction."""

    def __init__(self, connection: Connection, box: SecretBox, kind: Kind) -> None:
        self._connection = connection
        self._box = box
        self._kind = kind
        self._lookup = Lookup(connection)
        self._given = GivenOptions(kind, self._lookup, self._read)
        self._nodes: WorkflowNodes | None = None
        if kind.name == "workflow_job_template":
            self._nodes = WorkflowNodes(connection, box, lambda *called: self._read(*called).values, HIDDEN)

    # -- making and editing --

    def save(self, wanted: Wanted, check: Check) -> Change:
        """Makes an object what is wanted; see `ObjectStore.save`."""
        kind = self._kind
        scope = self._given.scope(wanted)
        source = self._source(wanted, scope)
        row = self._existing(wanted, scope, source)
        before = self.stored(row) if row is not None else None
        base = dict(before.values) if before is not None else self._start(wanted, source)
        name = wanted.new_name or (before.name if before is not None else wanted.name)
        self._check_name(name, before)
        given = {**self._given.resolved(wanted, scope, base), **scope}
        self._check_controlplane(given, before)
        nodes = base.pop(NODES, [])
        values = self._plain(check(deepcopy({**base, **given}), self._read))
        if self._nodes is not None:
            number = before.id if before is not None else None
            values[NODES] = self._nodes.wanted(number, nodes, wanted.nodes, destroy=wanted.destroy_nodes)
        changed = [option for option in values if before is None or values[option] != before.values[option]]
        if before is not None and before.name != name:
            changed.append("name")
        if before is not None and not changed:
            shown = self.shown(before)
            return Change(before.id, name, shown, shown)
        self._refuse_namesake(name, values, before)
        number = self._write_row(name, values, before)
        for option, listed in kind.lists.items():
            if option in changed:
                listed.write(self._connection, number, values[option])
        if self._nodes is not None and NODES in changed:
            self._nodes.write(number, values[NODES])
        return Change(
            number,
            name,
            self.shown(before) if before is not None else {},
            self.shown(StoredObject(number, name, values)),
            tuple(sorted(changed)),
        )

    def _source(self, wanted: Wanted, scope: Values) -> StoredObject | None:
        """The object that is copied, while it is there: what was made of it does not need it."""
        if wanted.copy_from is None:
            return None
        within = scope.get("organization")
        row = self._lookup.prefer(self._kind, wanted.copy_from, "copy_from", within, lock=True)
        return self.stored(row) if row is not None else None

    def _existing(self, wanted: Wanted, scope: Values, source: StoredObject | None) -> Row[Any] | None:
        """The object's row; one that has got its new name already is the one that is meant, too."""
        copied = source.values if source is not None else {}
        known = {
            self._column(option): {**copied, **scope}[option]
            for option in self._kind.scope
            if option in copied or option in scope
        }
        row = self._lookup.find(self._kind, wanted.name, known, lock=True)
        if row is None and wanted.new_name:
            row = self._lookup.find(self._kind, wanted.new_name, known, lock=True)
        return row

    def _start(self, wanted: Wanted, source: StoredObject | None) -> Values:
        """What a new object has where nothing else is given."""
        if source is not None:
            return dict(source.values)
        if wanted.copy_from is not None:
            raise self._lookup.unknown(self._kind, wanted.copy_from, "copy_from")
        return self._defaults()

    def _check_name(self, name: str, before: StoredObject | None) -> None:
        if before is not None and before.name == name:
            return
        if not name.strip() or len(name) > NAME_LENGTH:
            raise _invalid(f"name must have from 1 to {NAME_LENGTH} characters, but it is {name[:80]!r}.")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise _invalid(f"name has a character that can't be shown: {name[:80]!r}.")
        if name.isdecimal():
            raise _invalid(f"name is {name!r}, a number, which would be taken for an id; add a letter to it.")
        if before is not None and self._is_controlplane(before):
            raise _invalid(f"name: the container group {CONTROLPLANE} can't be renamed.")

    def _check_controlplane(self, given: Values, before: StoredObject | None) -> None:
        if before is None or not self._is_controlplane(before):
            return
        for option, value in given.items():
            if option not in CONTROLPLANE_OPTIONS and value != before.values[option]:
                raise _invalid(
                    f"{option}: the container group {CONTROLPLANE} runs jobs on the controller node, without"
                    f" a pod; only {', '.join(CONTROLPLANE_OPTIONS)} can be set of it."
                )

    def _is_controlplane(self, stored: StoredObject) -> bool:
        return self._kind.name == "container_group" and stored.name == CONTROLPLANE

    def _refuse_namesake(self, name: str, values: Values, before: StoredObject | None) -> None:
        scope = {self._column(option): values[option] for option in self._kind.scope}
        other = self._lookup.find(self._kind, name, scope)
        if other is not None and other.name == name and (before is None or other.id != before.id):
            where = f" with the same {' and '.join(self._kind.scope)}" if scope else ""
            raise _invalid(f"name: there is another {self._kind.words} {name!r}{where} already.")

    def _defaults(self) -> Values:
        kind = self._kind
        return {
            **dict.fromkeys(kind.columns, ""),
            **deepcopy(dict(kind.settings)),
            **dict.fromkeys(kind.references),
            **{option: [] for option in kind.lists},
        }

    def _plain(self, values: Values) -> Values:
        """Values as the database will give them back.

        Raises:
            Failure: `InvalidConfiguration`, where one can't be stored.
        """
        plain: Values = {}
        for option, value in values.items():
            if option in self._kind.columns and not is_storable(value):
                raise _invalid(f"{option} has a character that can't be stored: {value[:80]!r}.")
            try:
                plain[option] = json.loads(json.dumps(value, allow_nan=False))
            except ValueError as exc:
                raise _invalid(f"{option} has a number that can't be stored (NaN or infinity).") from exc
        return plain

    # -- writing --

    def _write_row(self, name: str, values: Values, before: StoredObject | None) -> int:
        kind = self._kind
        sealed = {option: values[option] for option in kind.sealed}
        row: Values = {
            "name": name,
            **{option: values[option] for option in kind.columns},
            **{f"{option}_id": values[option] for option in kind.references},
            "settings": {option: values[option] for option in kind.settings if option not in kind.sealed},
            "sealed": self._box.seal(sealed) if sealed else None,
        }
        if before is None:
            key = self._connection.execute(insert(kind.table).values(row)).inserted_primary_key
            return int(key[0]) if key is not None else 0
        self._connection.execute(update(kind.table).where(kind.table.c.id == before.id).values(row))
        return before.id

    # -- deleting --

    def delete(self, wanted: Wanted) -> Change:
        """Deletes an object; see `ObjectStore.delete`."""
        gone = Change(None, wanted.name, {}, {})
        if self._given.belong_to_nothing(wanted):
            return gone
        row = self._existing(wanted, self._given.scope(wanted), None)
        if row is None:
            return gone
        before = self.stored(row)
        if self._is_controlplane(before):
            raise _invalid(f"name: the container group {CONTROLPLANE} can't be deleted.")
        users = list(dict.fromkeys(users_of(self._connection, self._kind, before.id, lock=True)))
        if users:
            more = f" and {len(users) - USERS_NAMED} more" if len(users) > USERS_NAMED else ""
            raise Failure(
                "InvalidConfiguration",
                f"The {self._kind.words} {before.name!r} can't be deleted: it is in use by"
                f" {', '.join(users[:USERS_NAMED])}{more}.",
                hint="Take it out there first.",
            )
        self._connection.execute(delete(self._kind.table).where(self._kind.table.c.id == before.id))
        return Change(None, before.name, self.shown(before), {})

    # -- reading --

    def stored(self, row: Row[Any]) -> StoredObject:
        """An object of its row; options that came later than it have their defaults."""
        kind = self._kind
        columns = row._mapping
        sealed = self._box.open(columns["sealed"]) if columns["sealed"] else {}
        values = {
            **self._defaults(),
            **{option: columns[option] for option in kind.columns},
            **{option: value for option, value in columns["settings"].items() if option in kind.settings},
            **{option: value for option, value in sealed.items() if option in kind.settings},
            **{option: columns[f"{option}_id"] for option in kind.references},
        }
        for option, listed in kind.lists.items():
            table = listed.table
            targets = select(table.c.target_id).where(table.c.owner_id == columns["id"])
            values[option] = list(self._connection.execute(targets.order_by(table.c.position)).scalars())
        if self._nodes is not None:
            values[NODES] = self._nodes.of(columns["id"])
        return StoredObject(columns["id"], columns["name"], values)

    def shown(self, stored: StoredObject) -> Values:
        """An object as users see it: names instead of ids, and no secrets."""
        shown: Values = {"id": stored.id, "name": stored.name}
        for option, value in stored.values.items():
            if option in self._kind.references:
                shown[option] = self._lookup.names(self._kind.references[option], [value]).get(value)
            elif option in self._kind.lists:
                listed = self._kind.lists[option]
                names = self._lookup.names(listed.kind, value)
                found = [names[number] for number in value]
                shown[option] = next(iter(found), None) if listed.single else found
            elif self._nodes is not None and option == NODES:
                shown[option] = self._nodes.shown(value)
            else:
                shown[option] = without_secrets(self._kind.name, option, stored.values)
        return shown

    def _read(self, kind: str, number: int) -> StoredObject:
        return read_object(self._connection, self._box, kind, number)

    def _column(self, option: str) -> str:
        return f"{option}_id" if option in self._kind.references else option


def read_object(connection: Connection, box: SecretBox, kind: str, number: int) -> StoredObject:
    """The object of a kind that has an id.

    Raises:
        Failure: `InvalidConfiguration`, where there is none (any more).
    """
    table = KINDS[kind].table
    row = connection.execute(select(table).where(table.c.id == number)).first()
    if row is None:
        raise _invalid(f"The {KINDS[kind].words} with the id {number} was deleted.")
    return ObjectWork(connection, box, KINDS[kind]).stored(row)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
