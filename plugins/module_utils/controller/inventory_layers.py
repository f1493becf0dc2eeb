# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory and what its sources bring into it, put together as AWX does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    ALL,
    Flat,
    FlatGroup,
    Listing,
    from_listing,
    listing_of,
    refuse_circles,
)


@dataclass(frozen=True)
class SourceContent:
    """What an inventory source brings into its inventory.

    Attributes:
        listing: what its last update found.
        overwrite_vars: its variables of a host or group replace those that are there, all of them.
    """

    listing: Listing = field(repr=False)
    overwrite_vars: bool = False


def merged(own: Flat, sources: Iterable[SourceContent]) -> Flat:
    """An inventory with what its sources bring into it, one after the other.

    What the inventory itself says stays; of a variable that several give, the last one counts. Those of group
    `all` are always merged, as in AWX, where they are the inventory's.
    """
    flat = Flat(
        {host: dict(variables) for host, variables in own.hosts.items()},
        {
            name: FlatGroup(dict(group.hosts), dict(group.children), dict(group.variables))
            for name, group in own.groups.items()
        },
    )
    for source in sources:
        _put(flat, from_listing(source.listing), replace=source.overwrite_vars)
    refuse_circles(flat)
    return flat


def _put(flat: Flat, more: Flat, *, replace: bool) -> None:
    for host, variables in more.hosts.items():
        flat.hosts[host] = {**({} if replace else flat.hosts.get(host, {})), **variables}
    for name, group in more.groups.items():
        known = flat.group(name)
        known.hosts.update(group.hosts)
        known.children.update(group.children)
        kept = {} if replace and name != ALL else known.variables
        known.variables = {**kept, **group.variables}


def updated(
    known: Mapping[str, Any] | None, found: Mapping[str, Any], *, overwrite: bool, overwrite_vars: bool
) -> Listing:
    """What an inventory source brings after an update (AWX: Inventory Sources).

    Args:
        known: what it brought before; None for nothing.
        found: what the update found.
        overwrite: what it has not found any more goes; else hosts and groups stay, and who is in which.
        overwrite_vars: variables that it has not found any more go; else they stay.
    """
    new, old = from_listing(found), from_listing(known or {})
    if overwrite:
        flat = Flat({host: old.hosts.get(host, {}) for host in new.hosts})
        flat.groups = {
            name: FlatGroup(variables=old.groups[name].variables if name in old.groups else {})
            for name in new.groups
        }
    else:
        flat = old
    _put(flat, new, replace=overwrite_vars)
    if overwrite_vars:
        flat.groups[ALL].variables = new.groups[ALL].variables
    return listing_of(flat)
