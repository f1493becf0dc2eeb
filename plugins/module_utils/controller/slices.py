# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices of a job: which hosts each one gets, and the inventory with only these, as in AWX."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure


def slice_count(wanted: int, hosts: int, *, prompted: bool = False) -> int:
    """How many slices there are; with less than two it is a plain job.

    Args:
        wanted: `job_slice_count`.
        hosts: of the inventory, those that are disabled, too.
        prompted: it was asked for at this launch, not by the template.

    Raises:
        Failure: `InvalidConfiguration`, where slices were asked for at launch and there are no hosts.
    """
    if prompted and wanted > 1 and not hosts:
        raise Failure(
            "InvalidConfiguration",
            f"job_slice_count is {wanted}, but the inventory has no hosts: Job inventory does not have enough"
            " hosts for slicing.",
            hint="Give the inventory hosts, update its sources first, or leave job_slice_count out.",
        )
    return min(wanted, hosts)


def slice_hosts(hosts: Iterable[str], number: int, count: int) -> list[str]:
    """The hosts of one slice: of all by name, every `count`-th.

    Args:
        hosts: names of the enabled hosts.
        number: of the slice, from 1.
        count: of all slices.
    """
    if not 1 <= number <= count:
        raise ValueError(f"there is no slice {number} of {count}")
    return sorted(hosts)[number - 1 :: count]


def pare_inventory(inventory: Mapping[str, Any], hosts: Collection[str]) -> dict[str, Any]:
    """An inventory with some of its hosts only, and all of its groups, also those that become empty.

    Args:
        inventory: as `ansible-inventory --list` prints it: groups with `hosts`, `children` and `vars`, and
            `_meta.hostvars`.
        hosts: names of those that stay.

    Returns:
        An inventory in the form of the `yaml` inventory plugin.
    """
    return _Pared(inventory, frozenset(hosts)).whole()


class _Pared:
    """Writes each group out where it is first met, each host's variables likewise."""

    def __init__(self, inventory: Mapping[str, Any], hosts: frozenset[str]) -> None:
        self._groups = {name: group or {} for name, group in inventory.items() if name != "_meta"}
        self._hostvars = (inventory.get("_meta") or {}).get("hostvars") or {}
        self._hosts = hosts
        self._written_groups: set[str] = set()
        self._written_hosts: set[str] = set()

    def whole(self) -> dict[str, Any]:
        top = self._group("all")
        children = top.setdefault("children", {})
        for name in self._groups:
            if name not in self._written_groups:  # nobody's child: of `all` then, as Ansible has it
                children[name] = self._group(name)
        for host in self._hostvars:
            if host in self._hosts and host not in self._written_hosts:
                top.setdefault("hosts", {})[host] = self._host(host)
        return {"all": {key: value for key, value in top.items() if value}}

    def _group(self, name: str) -> dict[str, Any]:
        if name in self._written_groups:
            return {}
        self._written_groups.add(name)
        group = self._groups.get(name, {})
        written = {
            "hosts": {host: self._host(host) for host in group.get("hosts") or () if host in self._hosts},
            "vars": dict(group.get("vars") or {}),
            "children": {child: self._group(child) for child in group.get("children") or ()},
        }
        return {key: value for key, value in written.items() if value}

    def _host(self, name: str) -> dict[str, Any]:
        if name in self._written_hosts:
            return {}
        self._written_hosts.add(name)
        return dict(self._hostvars.get(name) or {})
