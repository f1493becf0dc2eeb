# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and groups of an export become the content of an inventory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    checked_content,
    flattened,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.host_patterns import expanded
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.contents import read_content
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.fields import Fields
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key


def host(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "enabled": True, "variables": "", **given}


def group(name: str, hosts: tuple[str, ...] = (), children: tuple[str, ...] = (), text: str = "") -> Any:
    related = {
        "hosts": [{"name": each, "type": "host"} for each in hosts],
        "children": [{"name": each, "type": "group"} for each in children],
    }
    return {"name": name, "variables": text, "related": related}


def fields(*hosts: Any, groups: tuple[Any, ...] = ()) -> Fields:
    return Fields({"related": {"hosts": list(hosts), "groups": list(groups)}}, Key("inventory", "i"))


@pytest.mark.parametrize(
    ("given", "content"),
    [
        pytest.param(fields(), {}, id="nothing"),
        pytest.param(fields(host("a", variables="x: 1")), {"all": {"hosts": {"a": {"x": 1}}}}, id="a host"),
        pytest.param(
            fields(host("a"), groups=(group("g", ("a",), text='{"y": [2]}'), group("top", children=("g",)))),
            {
                "all": {"hosts": {"a": {}}},
                "g": {"hosts": {"a": {}}, "vars": {"y": [2]}},
                "top": {"children": {"g": {}}},
            },
            id="groups",
        ),
        pytest.param(fields(groups=(group("empty"),)), {"empty": {}}, id="an empty group"),
        pytest.param(
            fields(host("a", variables="x: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n")),
            {"all": {"hosts": {"a": {"x": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162\n"}}}}},
            id="a vaulted value",
        ),
    ],
)
def test_a_content_is_made(given: Fields, content: dict[str, Any]) -> None:
    made = read_content(given)
    assert made == content
    assert given.asset.left_out == []
    flattened(checked_content(made, "content"), expanded)


def test_disabled_hosts_are_left_out_of_their_groups_too() -> None:
    given = fields(host("a"), host("b", enabled=False), groups=(group("g", ("a", "b")), group("h", ("b",))))
    assert read_content(given) == {"all": {"hosts": {"a": {}}}, "g": {"hosts": {"a": {}}}, "h": {}}
    assert given.asset.left_out == [
        ("content", "disabled hosts would be run on, since hosts can't be disabled here: b")
    ]


def test_descriptions_are_counted() -> None:
    given = fields(host("a", description="x"), host("b"), groups=({"name": "g", "description": "y"},))
    read_content(given)
    assert given.asset.left_out == [("content", "hosts and groups have no descriptions; 2 of these have")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(fields("a"), "related.hosts[0] must be a mapping with a name", id="a mere host"),
        pytest.param(
            fields(host("a", variables="x: {")),
            "related.hosts[0] (a): variables is not valid YAML (line",
            id="host's variables",
        ),
        pytest.param(
            fields(groups=(group("g", text="[1]"),)),
            "related.groups[0] (g): variables must be a mapping",
            id="group's variables",
        ),
    ],
)
def test_what_can_not_be_read_is_refused(given: Fields, message: str) -> None:
    with pytest.raises(Failure) as caught:
        read_content(given)
    assert caught.value.message.startswith(message)
