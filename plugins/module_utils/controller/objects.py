# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stored objects: made, edited, renamed, copied, deleted and listed, all kinds in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import (
    shown_inputs,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS, Kind, Listed
from ansible_collections.jobpods.controller.plugins.module_utils.controller.lookup import Lookup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.controller.usage import users_of
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow_nodes import (
    OPTION as NODES,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow_nodes import (
    WorkflowNodes,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import Connection, Row, delete, insert, select, update

HIDDEN = "$encrypted$"
"""What is shown in place of a secret, as in AWX."""
USERS_NAMED = 10

Values = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What somebody wants an object to be.

    Attributes:
        name: the object's.
        given: options and their values; those that are not in it stay as they are. References are names or
            ids; an empty one means none.
        new_name: what it shall be called.
        copy_from: the object that a new one starts from.
        nodes: of a workflow job template: the option `workflow_nodes`, to add, change or remove some.
        destroy_nodes: its other nodes are removed.
    """

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)
    new_name: str | None = None
    copy_from: str | None = None
    nodes: Sequence[Mapping[str, Any]] | None = None
    destroy_nodes: bool = False


@dataclass(frozen=True)
class StoredObject:
    """An object as it is stored.

    Attributes:
        id: its number.
        name: what it is called.
        values: its options, secrets included; references are ids (or None), lists are lists of ids, and
            `workflow_nodes` is a list of `StoredNode`.
    """

    id: int
    name: str
    values: Values = field(repr=False)


Reader = Callable[[str, int], StoredObject]
"""Reads the object of a kind that has an id."""
Check = Callable[[Values, Reader], Values]


def unchecked(values: Values, reader: Reader) -> Values:
    """Takes any values."""
    return values


@dataclass(frozen=True)
class Change:
    """What a call did to an object.

    Attributes:
        id: the object's; None for one that is, or would be, no more or not yet there.
        name: the object's, at the end.
        before: as it is shown to users; empty where there was none.
        after: likewise.
        options: names of what has changed; secrets, which look the same in both, too.
    """

    id: int | None
    name: str
    before: Values
    after: Values
    options: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything is different now."""
        return bool(self.options) or bool(self.before) != bool(self.after)


class _DryRun(Exception):
    """Rolls back what a call in check mode has done."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change


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
        check: Check = lambda values, _reader: values,
        dry_run: bool = False,
    ) -> Change:
        """Makes an object what is wanted.

        Args:
            kind: its kind.
            wanted: what it shall be.
            check: told the object's values as they would be, and how to read the objects that they refer to;
                returns them in their final form, or raises.
            dry_run: only tell what would change.

        Raises:
            Failure: `InvalidConfiguration`, where that can't be; the message names the option.
        """

        def work(connection: Connection) -> Change:
            return _Work(connection, self._box, KINDS[kind]).save(wanted, check)

        return self._write(work, dry_run)

    def delete(self, kind: str, wanted: Wanted, *, dry_run: bool = False) -> Change:
        """Deletes an object, where there is one and nothing uses it.

        Raises:
            Failure: `InvalidConfiguration`, which names its users.
        """
        return self._write(
            lambda connection: _Work(connection, self._box, KINDS[kind]).delete(wanted), dry_run
        )

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
            return _Work(connection, self._box, KINDS[kind]).stored(row)

        return self._database.read(work)

    def by_id(self, kind: str, number: int) -> StoredObject:
        """The object of an id that another one refers to."""
        return self._database.read(lambda connection: _read(connection, self._box, kind, number))

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
            statement = select(own.table).order_by(own.table.c.name, own.table.c.id)
            others: dict[str, object] = {}
            for option, value in filters.items():
                if option == "name":
                    statement = statement.where(own.table.c.name == str(value))
                elif option in own.references:
                    number = lookup.get(KINDS[own.references[option]], value, option).id
                    statement = statement.where(own.table.c[f"{option}_id"] == number)
                else:
                    others[option] = value
            worker = _Work(connection, self._box, own)
            found = [worker.shown(worker.stored(row)) for row in connection.execute(statement).all()]
            return [shown for shown in found if all(_fits(shown[name], others[name]) for name in others)]

        return self._database.read(work)

    def _write(self, work: Callable[[Connection], Change], dry_run: bool) -> Change:
        def rolled_back(connection: Connection) -> Change:
            raise _DryRun(work(connection))

        try:
            return self._database.write(rolled_back if dry_run else work)
        except _DryRun as done:
            return done.change


class _Work:
    """One transaction's work on objects of one kind."""

    def __init__(self, connection: Connection, box: SecretBox, kind: Kind) -> None:
        self._connection = connection
        self._box = box
        self._kind = kind
        self._lookup = Lookup(connection)
        self._nodes: WorkflowNodes | None = None
        if kind.name == "workflow_job_template":
            self._nodes = WorkflowNodes(connection, box, self._values_of, HIDDEN)

    # -- making and editing --

    def save(self, wanted: Wanted, check: Check) -> Change:
        kind = self._kind
        given = self._resolved(wanted.given)
        row = self._existing(wanted, given)
        before = self.stored(row) if row is not None else None
        name = wanted.new_name or (before.name if before is not None else wanted.name)
        self._check_name(name, before)
        if before is not None:
            base = before.values
        elif wanted.copy_from is not None:
            base = self.stored(self._lookup.get(kind, wanted.copy_from, "copy_from")).values
        else:
            base = self._defaults()
        values = check(
            {**base, **given}, lambda other, number: _read(self._connection, self._box, other, number)
        )
        if self._nodes is not None:
            values[NODES] = self._nodes.wanted(
                before.id if before is not None else None,
                values[NODES],
                wanted.nodes,
                destroy=wanted.destroy_nodes,
            )
        changed = [option for option in values if before is None or values[option] != before.values[option]]
        if before is not None and before.name != name:
            changed.append("name")
        if before is not None and not changed:
            shown = self.shown(before)
            return Change(before.id, name, shown, shown)
        self._refuse_namesake(name, values, before)
        number = self._write_row(name, values, before)
        after = StoredObject(number, name, values)
        return Change(
            number,
            name,
            self.shown(before) if before is not None else {},
            self.shown(after),
            tuple(sorted(changed)),
        )

    def _existing(self, wanted: Wanted, given: Values) -> Row[Any] | None:
        """The object's row; one that has got its new name already is the one that is meant, too."""
        scope = {
            self._column(option): given[option]
            for option in self._kind.scope
            if given.get(option) is not None
        }
        row = self._lookup.find(self._kind, wanted.name, scope, lock=True)
        if row is None and wanted.new_name:
            row = self._lookup.find(self._kind, wanted.new_name, scope, lock=True)
        return row

    def _check_name(self, name: str, before: StoredObject | None) -> None:
        if not name.strip() or len(name) > 512:
            raise _invalid(f"name must have from 1 to 512 characters, but it is {name[:80]!r}.")
        if before is None and name.isdecimal():
            raise _invalid(f"name is {name!r}, a number, which would be taken for an id; add a letter to it.")
        if (
            self._kind.name == "container_group"
            and before is not None
            and before.name == CONTROLPLANE != name
        ):
            raise _invalid(f"name: the container group {CONTROLPLANE} can't be renamed.")

    def _refuse_namesake(self, name: str, values: Values, before: StoredObject | None) -> None:
        scope = {self._column(option): values.get(option) for option in self._kind.scope}
        other = self._lookup.find(self._kind, name, scope)
        if other is not None and other.name == name and (before is None or other.id != before.id):
            where = f" with the same {' and '.join(self._kind.scope)}" if scope else ""
            raise _invalid(f"name: there is another {self._kind.words} {name!r}{where} already.")

    def _resolved(self, given: Mapping[str, Any]) -> Values:
        """Given values with the ids of the objects that they name."""
        values: Values = {}
        organization = None
        if given.get("organization") not in (None, ""):
            organization = self._lookup.get(KINDS["organization"], given["organization"], "organization").id
        for option, value in given.items():
            if option in self._kind.references:
                kind = KINDS[self._kind.references[option]]
                empty = value in (None, "")
                values[option] = None if empty else self._lookup.get(kind, value, option, organization).id
            elif option in self._kind.lists:
                values[option] = self._resolved_list(option, value, organization)
            else:
                values[option] = value
        return values

    def _resolved_list(self, option: str, value: Any, organization: int | None) -> list[int]:
        listed = self._kind.lists[option]
        called = ([] if value in (None, "") else [value]) if listed.single else value or []
        found: list[int] = []
        for index, each in enumerate(called):
            where = option if listed.single else f"{option}[{index}]"
            number = self._lookup.get(KINDS[listed.kind], each, where, organization).id
            if number in found:
                raise _invalid(f"{where}: {each!r} is listed twice.")
            found.append(number)
        return found

    def _defaults(self) -> Values:
        kind = self._kind
        return {
            **({} if self._nodes is None else {NODES: []}),
            **dict.fromkeys(kind.columns, ""),
            **kind.settings,
            **dict.fromkeys(kind.references),
            **{option: [] for option in kind.lists},
        }

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
            number = int(key[0]) if key is not None else 0
        else:
            number = before.id
            self._connection.execute(update(kind.table).where(kind.table.c.id == number).values(row))
        for option, listed in kind.lists.items():
            if before is None or before.values[option] != values[option]:
                self._write_list(listed, number, values[option])
        if self._nodes is not None and (before is None or before.values[NODES] != values[NODES]):
            self._nodes.write(number, values[NODES])
        return number

    def _write_list(self, listed: Listed, owner: int, targets: list[int]) -> None:
        table = listed.table
        self._connection.execute(delete(table).where(table.c.owner_id == owner))
        rows = [
            {"owner_id": owner, "position": position, "target_id": target}
            for position, target in enumerate(targets)
        ]
        if rows:
            self._connection.execute(insert(table), rows)

    # -- deleting --

    def delete(self, wanted: Wanted) -> Change:
        row = self._existing(wanted, self._resolved(wanted.given))
        if row is None:
            return Change(None, wanted.name, {}, {})
        before = self.stored(row)
        if self._kind.name == "container_group" and before.name == CONTROLPLANE:
            raise _invalid(f"name: the container group {CONTROLPLANE} can't be deleted.")
        users = list(users_of(self._connection, self._kind, before.id))
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
                shown[option] = _without_secrets(self._kind.name, option, value, stored.values)
        return shown

    def _values_of(self, kind: str, number: int) -> Values:
        table = KINDS[kind].table
        row = self._connection.execute(select(table).where(table.c.id == number)).one()
        return _Work(self._connection, self._box, KINDS[kind]).stored(row).values

    def _column(self, option: str) -> str:
        return f"{option}_id" if option in self._kind.references else option


def _fits(value: object, wanted: object) -> bool:
    return wanted in value if isinstance(value, list) else value == wanted


def _read(connection: Connection, box: SecretBox, kind: str, number: int) -> StoredObject:
    table = KINDS[kind].table
    row = connection.execute(select(table).where(table.c.id == number)).first()
    if row is None:
        raise _invalid(f"The {KINDS[kind].words} with the id {number} was deleted.")
    return _Work(connection, box, KINDS[kind]).stored(row)


def _without_secrets(kind: str, option: str, value: Any, values: Values) -> Any:
    if kind == "credential" and option == "inputs":
        return shown_inputs(values["credential_type"], value, HIDDEN)
    if kind == "container_group" and (
        option == "api_key" or (option == "kubeconfig" and isinstance(value, Mapping))
    ):
        return HIDDEN if value else value
    if option == "survey_spec" and value:
        return {**value, "spec": [_shown_question(question) for question in value.get("spec") or ()]}
    return value


def _shown_question(question: Values) -> Values:
    secret = question.get("type") == "password" and question.get("default")
    return {**question, "default": HIDDEN} if secret else question


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
