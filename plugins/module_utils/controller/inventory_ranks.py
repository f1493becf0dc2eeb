# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that a listing of an inventory ranks differently than the inventory's own files.

Ansible ranks variables by where they are written before it ranks groups: those of group_vars/all win over
those of any group in an inventory file. A listing, read as an inventory, knows only ranks of groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    ALL,
    META,
    PRIORITY,
    UNGROUPED,
    Flat,
    Listing,
    Variables,
    from_listing,
    listing_of,
)


def is_settled(listing: Mapping[str, Any]) -> bool:
    """Whether no host of a listing gets a variable from two groups that differ in it: then no rank counts."""
    flat = from_listing(listing)
    groups = _Groups(flat)
    return not any(_differ(flat, names) for names in {groups.of(host) for host in flat.hosts})


def settled(exported: Mapping[str, Any], wanted: Mapping[str, Any], got: Mapping[str, Any]) -> Listing:
    """A listing in which each host has the variables that it has in the inventory's own files.

    Args:
        exported: a listing, with the own variables of each group and host.
        wanted: one without `--export`, with all variables of each host.
        got: likewise, of the inventory that `exported` makes.

    Returns:
        The first one, in which what comes out differently is a variable of the host.
    """
    flat = from_listing(exported)
    expected, found = _hostvars(wanted), _hostvars(got)
    for host, own in flat.hosts.items():
        known = found.get(host, {})
        for name, value in expected.get(host, {}).items():
            if name not in known or known[name] != value:
                own[name] = value
    return listing_of(flat)


def _hostvars(listing: Mapping[str, Any]) -> dict[str, Variables]:
    return (listing.get(META) or {}).get("hostvars") or {}


def _differ(flat: Flat, names: frozenset[str]) -> bool:
    found: Variables = {}
    for name in names:
        for variable, value in flat.groups[name].variables.items():
            if variable != PRIORITY and found.setdefault(variable, value) != value:
                return True
    return False


class _Groups:
    """All groups that hosts are in, through others, too."""

    def __init__(self, flat: Flat) -> None:
        self._above: dict[str, list[str]] = {}
        self._members: dict[str, list[str]] = {}
        for name, group in flat.proper_groups().items():
            for child in group.children:
                self._above.setdefault(child, []).append(name)
            for host in group.hosts:
                self._members.setdefault(host, []).append(name)
        self._always = frozenset((ALL,))
        self._alone = frozenset({ALL, UNGROUPED} & flat.groups.keys())

    def of(self, host: str) -> frozenset[str]:
        """The names of a host's groups."""
        if host not in self._members:
            return self._alone
        names: set[str] = set()
        waiting = list(self._members[host])
        while waiting:
            name = waiting.pop()
            if name not in names:
                names.add(name)
                waiting += self._above.get(name, [])
        return self._always | names
