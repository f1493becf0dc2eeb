# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables hosts get from their groups: in the files of an inventory, and in one listing of it."""

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


def settled(exported: Mapping[str, Any], effective: Mapping[str, Any] | None) -> Listing:
    """A listing in which each host has the variables that it has in the inventory's own files.

    Ansible ranks variables by where they are written before it ranks groups: those of group_vars/all win over
    those of any group in an inventory file. A listing knows only ranks of groups, so what would come out
    differently becomes a variable of the host.

    Args:
        exported: the listing, with the own variables of each group and host.
        effective: one of the same inventory without `--export`, with all variables of each host. None says
            that there is nothing to settle.
    """
    if effective is None:
        return dict(exported)
    flat = from_listing(exported)
    hostvars = (effective.get(META) or {}).get("hostvars") or {}
    inherited = _Inheritance(flat)
    for host, own in flat.hosts.items():
        has = hostvars.get(host) or {}
        for name, value in inherited.of(host).items():
            if name not in own and name in has and has[name] != value:
                own[name] = has[name]
    return listing_of(flat)


def is_settled(listing: Mapping[str, Any]) -> bool:
    """Whether no host of a listing gets a variable from two groups that differ in it."""
    inherited = _Inheritance(from_listing(listing))
    return not any(inherited.differ(host) for host in inherited.flat.hosts)


class _Inheritance:
    """What hosts have from their groups, in Ansible's order: depth, then priority, then name."""

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self._parents: dict[str, list[str]] = {}
        self._members: dict[str, list[str]] = {}
        proper = flat.proper_groups()
        for name, group in proper.items():
            for child in group.children:
                self._parents.setdefault(child, []).append(name)
            for host in group.hosts:
                self._members.setdefault(host, []).append(name)
        self._depths: dict[str, int] = {}
        self._known: dict[tuple[str, ...], tuple[Variables, bool]] = {}

    def of(self, host: str) -> Variables:
        """The variables that a host inherits."""
        return self._inherited(host)[0]

    def differ(self, host: str) -> bool:
        """Whether its groups differ in any of them."""
        return self._inherited(host)[1]

    def _inherited(self, host: str) -> tuple[Variables, bool]:
        direct = self._members.get(host, [UNGROUPED])
        names: set[str] = set()
        waiting = list(direct)
        while waiting:
            name = waiting.pop()
            if name not in names:
                names.add(name)
                waiting += self._parents.get(name, [])
        ranked = (ALL, *sorted(names & self.flat.groups.keys(), key=self._rank))
        if ranked not in self._known:
            found: Variables = {}
            differ = False
            for group in ranked:
                for name, value in self.flat.groups[group].variables.items():
                    if name != PRIORITY:
                        differ = differ or found.get(name, value) != value
                        found[name] = value
            self._known[ranked] = found, differ
        return self._known[ranked]

    def _rank(self, name: str) -> tuple[int, int, str]:
        priority = self.flat.groups[name].variables.get(PRIORITY, 1)
        return self._depth(name), int(priority), name

    def _depth(self, name: str) -> int:
        """Of the longest way to it from `all`."""
        if name not in self._depths:
            self._depths[name] = 1 + max(
                (self._depth(parent) for parent in self._parents.get(name, ())), default=0
            )
        return self._depths[name]
