# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says, as plain values: hosts, groups and variables in three forms.

The *content* is that of a YAML inventory, as users write it. The *listing* is what `ansible-inventory --list
--export` prints, and what inventory scripts give. `Flat` is for working with: each host and group once.

Variables are as written: no template is resolved, and vaulted texts and those that are no templates are the
mappings of one key that Ansible's JSON has for them (`__ansible_vault`, `__ansible_unsafe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of

Variables = dict[str, Any]
Content = dict[str, Any]
Listing = dict[str, Any]

ALL = "all"
UNGROUPED = "ungrouped"
META = "_meta"
PRIORITY = "ansible_group_priority"
SECTIONS = ("hosts", "children", "vars")


class Expand(Protocol):
    """What tells the names that a host pattern like `web[1:3]:2222` stands for, and their port."""

    def __call__(self, pattern: str, /) -> tuple[Sequence[str], int | None]:
        """The names, and the port where it gives one."""


@dataclass
class FlatGroup:
    """A group: what is in it, in order, and its own variables."""

    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)


@dataclass
class Flat:
    """An inventory with each host and group once.

    Attributes:
        hosts: all of them, in order, with their own variables.
        groups: all of them; of `all`, which everything is in, and of `ungrouped` only the variables count.
    """

    hosts: dict[str, Variables] = field(default_factory=dict)
    groups: dict[str, FlatGroup] = field(default_factory=lambda: {ALL: FlatGroup()})

    def group(self, name: str) -> FlatGroup:
        """The group of a name, made where there is none."""
        return self.groups.setdefault(name, FlatGroup())

    def proper_groups(self) -> dict[str, FlatGroup]:
        """All groups but for those that Ansible itself makes."""
        return {name: group for name, group in self.groups.items() if name not in (ALL, UNGROUPED)}


# --- content -----


def checked_content(given: Mapping[Any, Any], where: str) -> Content:
    """Checks the shape of a YAML inventory: groups, each with hosts, vars and children, to any depth.

    Args:
        given: the content.
        where: what the user calls it, for messages.

    Returns:
        The same, with texts as keys.

    Raises:
        Failure: `InventoryInvalid`, which tells the place.
    """
    return {_name(name, where): _checked_group(group, f"{where}.{name}") for name, group in given.items()}


def _checked_group(given: Any, where: str) -> Content:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _invalid(
            f"{where} must be a group, a mapping of hosts, vars and children, but it is {kind_of(given)}."
        )
    group: Content = {}
    for key, value in given.items():
        if key not in SECTIONS:
            raise _invalid(f"{where} has {key!r}; a group has hosts, vars and children.")
        if value is not None and not isinstance(value, Mapping):
            raise _invalid(f"{where}.{key} must be a mapping, but it is {kind_of(value)}.")
        place = f"{where}.{key}"
        if key == "children":
            group[key] = checked_content(value or {}, place)
        elif key == "hosts":
            group[key] = {
                _name(host, place): _checked_host(variables, f"{place}.{host}")
                for host, variables in (value or {}).items()
            }
        else:
            group[key] = {str(name): variable for name, variable in (value or {}).items()}
    return group


def _checked_host(given: Any, where: str) -> Variables:
    if given is not None and not isinstance(given, Mapping):
        raise _invalid(f"{where} must be a mapping of variables, but it is {kind_of(given)}.")
    return {str(name): value for name, value in (given or {}).items()}


def _name(given: Any, where: str) -> str:
    """The name of a host or group; YAML takes some of them for something else than text."""
    if isinstance(given, str) and given.strip():
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    raise _invalid(f"{where} has the name {given!r}; a name must be a text, in quotes where YAML needs them.")


def flattened(content: Mapping[str, Any], expand: Expand) -> Flat:
    """A content that is checked, with each host and group once.

    Args:
        content: of a YAML inventory.
        expand: what tells the hosts of a pattern.

    Raises:
        Failure: `InventoryInvalid`, where groups are within each other, or a pattern is none.
    """
    flat = Flat()
    for name, group in content.items():
        _add_group(flat, name, group, expand)
    refuse_circles(flat)
    return flat


def _add_group(flat: Flat, name: str, content: Mapping[str, Any], expand: Expand) -> None:
    group = flat.group(name)
    for section, entries in content.items():  # in their order, since what comes later wins
        if section == "vars":
            group.variables.update(entries or {})
        elif section == "hosts":
            for pattern, variables in (entries or {}).items():
                _add_hosts(flat, group, expand(pattern), variables or {})
        else:
            for child, inner in (entries or {}).items():
                group.children[child] = None
                _add_group(flat, child, inner or {}, expand)


def _add_hosts(
    flat: Flat, group: FlatGroup, expanded: tuple[Sequence[str], int | None], variables: Mapping[str, Any]
) -> None:
    hosts, port = expanded
    for host in hosts:
        group.hosts[host] = None
        known = flat.hosts.setdefault(host, {} if port is None else {"ansible_port": port})
        known.update(variables)


def refuse_circles(flat: Flat) -> None:
    """Checks that no group is within itself.

    Raises:
        Failure: `InventoryInvalid`, which names the groups.
    """
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            circle = " > ".join((*above[above.index(name) :], name))
            raise _invalid(f"The inventory's groups are within each other: {circle}.")
        if name in done or name not in flat.groups:
            return
        for child in flat.groups[name].children:
            visit(child, (*above, name))
        done.add(name)

    for name in flat.groups:
        visit(name, ())


def content_of(flat: Flat) -> Content:
    """The content that says the same: hosts and their variables under `all`, each group at the top."""
    top: Content = {"hosts": flat.hosts, "vars": flat.groups[ALL].variables}
    content = {ALL: {key: value for key, value in top.items() if value}}
    for name, group in flat.groups.items():
        if name != ALL:
            whole = {
                # Ansible itself finds out who is in no group.
                "hosts": dict.fromkeys(group.hosts if name != UNGROUPED else (), {}),
                "children": dict.fromkeys(group.children, {}),
                "vars": group.variables,
            }
            content[name] = {key: value for key, value in whole.items() if value}
    if not content.get(UNGROUPED):
        content.pop(UNGROUPED, None)
    return content


# --- listing -----


def from_listing(listing: Mapping[str, Any]) -> Flat:
    """What a listing says; the order of hosts is that in which they come below `all`."""
    flat = Flat()
    for name, group in listing.items():
        if name != META:
            flat.groups[name] = FlatGroup(
                dict.fromkeys(group.get("hosts") or ()),
                dict.fromkeys(group.get("children") or ()),
                dict(group.get("vars") or {}),
            )
    for group in list(flat.groups.values()):
        for child in group.children:
            flat.group(child)
    hostvars = (listing.get(META) or {}).get("hostvars") or {}
    for host in (*_below(flat, ALL, set()), *hostvars):
        flat.hosts.setdefault(host, dict(hostvars.get(host) or {}))
    return flat


def _below(flat: Flat, name: str, seen: set[str]) -> Iterable[str]:
    """All hosts of a group, those of its children first where they come first."""
    seen.add(name)
    group = flat.groups[name]
    yield from group.hosts
    for child in group.children:
        if child not in seen:
            yield from _below(flat, child, seen)


def listing_of(flat: Flat) -> Listing:
    """The listing that says the same, with groups and hosts in their order."""
    listing: Listing = {META: {"hostvars": {host: own for host, own in flat.hosts.items() if own}}}
    proper = flat.proper_groups()
    inner = {child for group in proper.values() for child in group.children}
    grouped = {host for group in proper.values() for host in group.hosts}
    shown = {
        ALL: FlatGroup(
            children=dict.fromkeys((UNGROUPED, *(name for name in proper if name not in inner))),
            variables=flat.groups[ALL].variables,
        ),
        UNGROUPED: FlatGroup(
            hosts=dict.fromkeys(host for host in flat.hosts if host not in grouped),
            variables=flat.groups.get(UNGROUPED, FlatGroup()).variables,
        ),
        **proper,
    }
    for name, group in shown.items():
        whole = {"hosts": list(group.hosts), "children": list(group.children), "vars": group.variables}
        listing[name] = {key: value for key, value in whole.items() if value}
    return {name: group for name, group in listing.items() if group}


def _invalid(message: str) -> Failure:
    return Failure("InventoryInvalid", message)
