# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms of an inventory: what users write, and what ansible-inventory lists, say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    Flat,
    checked_content,
    content_of,
    flattened,
    from_listing,
    listing_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

CONTENT: dict[str, Any] = {
    "all": {
        "hosts": {"alone": {"x": 1}},
        "vars": {"everywhere": "yes"},
        "children": {
            "site": {
                "children": {
                    "web": {"hosts": {"web1": {"a": 1}, "web2": {}}, "vars": {"port": 80}},
                    "db": {"hosts": {"db1": {}, "web1": {"b": 2}}},
                },
            },
            "empty": {},
        },
    },
    "web": {"vars": {"port": 8080}},
}
LISTING = {
    "_meta": {"hostvars": {"alone": {"x": 1}, "web1": {"a": 1, "b": 2}}},
    "all": {"children": ["ungrouped", "site", "empty"], "vars": {"everywhere": "yes"}},
    "ungrouped": {"hosts": ["alone"]},
    "site": {"children": ["web", "db"]},
    "web": {"hosts": ["web1", "web2"], "vars": {"port": 8080}},
    "db": {"hosts": ["db1", "web1"]},
}


def one_host(pattern: str) -> tuple[Sequence[str], int | None]:
    """Takes each name as it is; `NAME:PORT` has a port."""
    name, _colon, port = pattern.partition(":")
    return (name,), int(port) if port else None


def flat(content: Mapping[str, Any]) -> Flat:
    return flattened(checked_content(content, "content"), one_host)


def test_content_becomes_a_listing() -> None:
    assert listing_of(flat(CONTENT)) == LISTING


def test_a_listing_becomes_content_and_a_listing_again() -> None:
    content = content_of(from_listing(LISTING))
    assert content["all"]["hosts"] == {"alone": {"x": 1}, "web1": {"a": 1, "b": 2}, "web2": {}, "db1": {}}
    assert content["db"] == {"hosts": {"db1": {}, "web1": {}}}
    assert listing_of(flat(content)) == LISTING


def test_hosts_are_in_the_order_of_groups() -> None:
    assert list(from_listing(LISTING).hosts) == ["alone", "web1", "web2", "db1"]


def test_a_host_of_a_limited_listing_is_in_no_group() -> None:
    """`ansible-inventory --limit` leaves out groups, but not what is known of hosts."""
    found = from_listing({"_meta": {"hostvars": {"a": {"x": 1}}}, "all": {"children": ["gone"]}})
    assert (found.hosts, list(found.groups)) == ({"a": {"x": 1}}, ["all", "gone"])
    assert listing_of(found)["ungrouped"] == {"hosts": ["a"]}


@pytest.mark.parametrize("listing", [{}, {"_meta": {"hostvars": {}}}], ids=["nothing", "no hosts"])
def test_an_empty_listing(listing: dict[str, Any]) -> None:
    assert content_of(from_listing(listing)) == {"all": {}}


def test_what_comes_later_wins() -> None:
    content = {
        "a": {"hosts": {"h:22": {"x": 1, "y": 1}}},
        "b": {"children": {"c": {"hosts": {"h": {"x": 2}}}}, "hosts": {"h:2222": {"z": 3}}},
    }
    assert flat(content).hosts == {"h": {"ansible_port": 22, "x": 2, "y": 1, "z": 3}}


def test_empty_sections_are_left_out() -> None:
    content = checked_content(
        {"web": None, "db": {"hosts": None, "vars": None, "children": {"x": None}}}, "c"
    )
    assert content == {"web": {}, "db": {"hosts": {}, "vars": {}, "children": {"x": {}}}}


def test_names_and_variables_become_texts() -> None:
    assert checked_content({1: {"hosts": {10: {20: "a"}}, "vars": {30: "b"}}}, "c") == {
        "1": {"hosts": {"10": {"20": "a"}}, "vars": {"30": "b"}}
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param({"web": ["a"]}, "content.web must be a group, .* but it is a list", id="group"),
        pytest.param({"web": {"host": {}}}, "content.web has 'host'; a group has hosts, vars", id="section"),
        pytest.param({"web": {"hosts": "a"}}, "content.web.hosts must be .* but it is text", id="hosts"),
        pytest.param(
            {"web": {"children": {"x": {"vars": [1]}}}},
            "content.web.children.x.vars must be a mapping, but it is a list",
            id="deep",
        ),
        pytest.param(
            {"web": {"hosts": {"a": "x"}}}, "content.web.hosts.a must be a mapping of variables", id="host"
        ),
        pytest.param(
            {"web": {"hosts": {1.5: {}}}}, "content.web.hosts has the name 1.5; .* in quotes", id="number"
        ),
        pytest.param({True: {}}, "content has the name True; .* in quotes", id="truth"),
        pytest.param({" ": {}}, "content has the name ' '", id="blank"),
    ],
)
def test_another_shape_is_refused(content: dict[Any, Any], words: str) -> None:
    with pytest.raises(Failure, match=words) as refused:
        checked_content(content, "content")
    assert refused.value.reason == "InventoryInvalid"


def test_groups_within_each_other_are_refused() -> None:
    content = {"a": {"children": {"b": {"children": {"c": {}}}}}, "c": {"children": {"a": {}}}}
    with pytest.raises(Failure, match="within each other: a > b > c > a"):
        flat(content)
