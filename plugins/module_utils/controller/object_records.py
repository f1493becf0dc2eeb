# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into the store of objects and comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
        organization: of an object that is in none itself: where the objects that it refers to are looked for
            first.
        nodes: of a workflow job template: the option `workflow_nodes`, to add, change or remove some.
        destroy_nodes: its other nodes are removed.
    """

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)
    new_name: str | None = None
    copy_from: str | None = None
    nodes: Sequence[Mapping[str, Any]] | None = None
    destroy_nodes: bool = False
    organization: object | None = None


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


Reader = Callable[[str, int], StoredObject]
"""Reads the object of a kind that has an id."""
Check = Callable[[Values, Reader], Values]
"""Told an object's values as they would be; returns them in their final form, or raises. It may be called
again, where others were in the transaction's way."""


def unchecked(values: Values, reader: Reader) -> Values:
    """Takes any values."""
    return values
