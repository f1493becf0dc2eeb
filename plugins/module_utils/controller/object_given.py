# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users give of an object, with ids in place of names."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS, Kind
from ansible_collections.jobpods.controller.plugins.module_utils.controller.lookup import Lookup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_records import (
    Reader,
    Values,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_secrets import (
    with_kept_secrets,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure


class GivenOptions:
    """Resolves the options of objects of one kind, in one transaction."""

    def __init__(self, kind: Kind, lookup: Lookup, read: Reader) -> None:
        self._kind = kind
        self._lookup = lookup
        self._read = read

    def scope(self, wanted: Wanted) -> Values:
        """The given options that a name is unique with, with the ids of what they name."""
        unknown = sorted(set(wanted.given) - self._kind.options)
        if unknown:
            raise ValueError(f"{self._kind.name} has no option {unknown[0]}")
        within = None
        if wanted.organization is not None:
            within = self._id_of("organization", wanted.organization, "organization", None)
        given = {option: wanted.given[option] for option in self._kind.scope if option in wanted.given}
        return {option: self._resolve(option, value, within) for option, value in given.items()}

    def resolved(self, wanted: Wanted, scope: Values, base: Values) -> Values:
        """Given values with the ids of the objects that they name, and the secrets that are kept."""
        within = self._within(wanted, scope, base)
        return {
            option: with_kept_secrets(
                self._kind.name, option, self._resolve(option, value, within), base[option]
            )
            for option, value in wanted.given.items()
            if option not in scope
        }

    def _within(self, wanted: Wanted, scope: Values, base: Values) -> int | None:
        """The organization in which references are looked for first: the object's, or its inventory's."""
        if "organization" in scope:
            return _number(scope["organization"])
        if "organization" in wanted.given:
            return _number(self._resolve("organization", wanted.given["organization"], None))
        if "organization" in base:
            return _number(base["organization"])
        if wanted.organization is not None:
            return self._id_of("organization", wanted.organization, "organization", None)
        inventory = scope.get("inventory", base.get("inventory"))
        return (
            None if inventory is None else _number(self._read("inventory", inventory).values["organization"])
        )

    def _resolve(self, option: str, value: Any, within: int | None) -> Any:
        """The value of an option with ids in place of names; those of the organization come first."""
        if option in self._kind.references:
            empty = value in (None, "")
            return None if empty else self._id_of(self._kind.references[option], value, option, within)
        if option in self._kind.lists:
            return self._resolve_list(option, value, within)
        return "" if value is None and option in self._kind.columns else value

    def _resolve_list(self, option: str, value: Any, within: int | None) -> list[int]:
        listed = self._kind.lists[option]
        called = ([] if value in (None, "") else [value]) if listed.single else value or []
        found: list[int] = []
        for index, each in enumerate(called):
            where = option if listed.single else f"{option}[{index}]"
            number = self._id_of(listed.kind, each, where, within)
            if number in found:
                raise _invalid(f"{where}: {each!r} is listed twice.")
            found.append(number)
        return found

    def _id_of(self, kind: str, called: object, option: str, within: int | None) -> int:
        return int(self._lookup.get(KINDS[kind], called, option, within).id)

    def belong_to_nothing(self, wanted: Wanted) -> bool:
        """Whether what it would belong to is no more, and the object with that."""
        within = None
        if wanted.organization is not None:
            row = self._lookup.prefer(KINDS["organization"], wanted.organization, "organization", None)
            if row is None:
                return True
            within = int(row.id)
        return any(
            self._lookup.prefer(KINDS[self._kind.references[option]], wanted.given[option], option, within)
            is None
            for option in self._kind.scope
            if option in self._kind.references and wanted.given.get(option) not in (None, "")
        )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
