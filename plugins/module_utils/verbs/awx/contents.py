# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and groups of an export of AWX as the content of a stored inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.fields import (
    Fields,
    listed,
    variables_of,
)

Values = dict[str, Any]


def read_content(fields: Fields) -> Values:
    """The content of an inventory: all hosts with their variables, and the groups that they are in.

    Hosts that AWX runs nothing on are left out, since nothing here would keep a job from them.

    Args:
        fields: the inventory's; what is left out is noted there.

    Raises:
        Failure: `InvalidConfiguration`, where something in it can't be read.
    """
    hosts: dict[str, Values] = {}
    disabled: list[str] = []
    described = 0
    for index, host in enumerate(fields.related("hosts")):
        place = f"related.hosts[{index}]"
        name = _name(host, place)
        described += bool(host.get("description"))
        if host.get("enabled", True):
            hosts[name] = variables_of(host.get("variables"), f"{place} ({name}): variables")
        else:
            disabled.append(name)
    content: Values = {"all": {"hosts": hosts}} if hosts else {}
    for index, group in enumerate(fields.related("groups")):
        place = f"related.groups[{index}]"
        name = _name(group, place)
        described += bool(group.get("description"))
        content[name] = _group(group, f"{place} ({name})", hosts)
    if disabled:
        fields.leave(
            "content",
            f"disabled hosts would be run on, since hosts can't be disabled here: {', '.join(disabled)}",
        )
    if described:
        fields.leave("content", f"hosts and groups have no descriptions; {described} of these have")
    return content


def _group(given: Mapping[str, Any], place: str, hosts: Mapping[str, Values]) -> Values:
    related = given.get("related") or {}
    names = [_name(each, f"{place}: related.hosts") for each in listed(related.get("hosts"), place)]
    children = [_name(each, f"{place}: related.children") for each in listed(related.get("children"), place)]
    whole = {
        "hosts": {name: {} for name in names if name in hosts},
        "children": {name: {} for name in children},
        "vars": variables_of(given.get("variables"), f"{place}: variables"),
    }
    return {section: entries for section, entries in whole.items() if entries}


def _name(given: object, place: str) -> str:
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise Failure("InvalidConfiguration", f"{place} must be a mapping with a name.")
    return str(given["name"])
