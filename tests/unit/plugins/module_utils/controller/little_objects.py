# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of every kind, by the table of kinds, so that a new kind or option is tested, too."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS, Kind
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    StoredObject,
    Wanted,
)

REFERENCES = [
    (kind.name, option, target) for kind in KINDS.values() for option, target in kind.references.items()
]
LISTS = [(kind.name, option, listed) for kind in KINDS.values() for option, listed in kind.lists.items()]
SECRET = "s3cret-value"  # noqa: S105 - that is what is looked for


def changeable(kind: str) -> list[str]:
    """All that can be changed of an object: another scope makes another object."""
    return sorted(KINDS[kind].options - set(KINDS[kind].scope))


def make(objects: ObjectStore, kind: str, name: str, **given: Any) -> StoredObject:
    """A new object, with what its kind can't be without."""
    if kind == "credential":
        given = {"credential_type": "machine", **given}
    if kind == "inventory_source" and "inventory" not in given:
        given["inventory"] = make(objects, "inventory", f"inventory of {name}").id
    made = objects.save(kind, Wanted(name, given))
    assert made.id is not None
    return objects.by_id(kind, made.id)


def other_value(objects: ObjectStore, kind: Kind, option: str, name: str = "other") -> Any:
    """A value of an option that is not the one it has by itself; a name of it is made where it needs one."""
    if option in kind.references:
        return make(objects, kind.references[option], f"{name} {option}").name
    if option in kind.lists:
        listed = kind.lists[option]
        names = [make(objects, listed.kind, f"{name} {option} {number}").name for number in (1, 2)]
        return names[0] if listed.single else names
    if option in kind.columns:
        return "vault" if option == "credential_type" else f"{name} {option}"
    default = kind.settings[option]
    if option == "survey_spec":
        return {"name": "", "spec": [{"variable": "v", "type": "password", "default": SECRET}]}
    if kind.name == "credential" and option == "inputs":
        return {"username": "ann", "password": SECRET}
    if isinstance(default, bool):
        return not default
    if isinstance(default, int) or default is None:
        return (default or 0) + 7
    return {"a": [SECRET, None, 1.5]} if isinstance(default, dict) else f"{SECRET} {option}"
