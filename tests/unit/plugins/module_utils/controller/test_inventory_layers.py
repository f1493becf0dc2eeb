# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What inventory sources bring is put together as AWX does: what stays, what goes, whose variables count."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    Flat,
    FlatGroup,
    content_of,
    from_listing,
    listing_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_layers import (
    SourceContent,
    merged,
    updated,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

BEFORE: dict[str, Any] = {
    "_meta": {"hostvars": {"a": {"x": 1, "old": 1}, "gone": {"x": 1}}},
    "all": {"children": ["web", "lost"], "vars": {"v": 1, "old": 1}},
    "web": {"hosts": ["a", "gone"], "vars": {"w": 1, "old": 1}},
    "lost": {"hosts": ["a"], "vars": {"l": 1}},
}
AFTER: dict[str, Any] = {
    "_meta": {"hostvars": {"a": {"x": 2}, "new": {}}},
    "all": {"children": ["web"], "vars": {"v": 2}},
    "web": {"hosts": ["a", "new"], "vars": {"w": 2}},
}


def facts(listing: dict[str, Any]) -> dict[str, Any]:
    """The variables of hosts and groups, and who is in which group."""
    flat = from_listing(listing)
    return {
        **flat.hosts,
        **{name: [*group.hosts, group.variables] for name, group in flat.proper_groups().items()},
        "all": flat.groups["all"].variables,
    }


@pytest.mark.parametrize(
    ("overwrite", "overwrite_vars", "expected"),
    [
        pytest.param(
            False,
            False,
            {
                "a": {"x": 2, "old": 1},
                "gone": {"x": 1},
                "new": {},
                "web": ["a", "gone", "new", {"w": 2, "old": 1}],
                "lost": ["a", {"l": 1}],
                "all": {"v": 2, "old": 1},
            },
            id="all stays",
        ),
        pytest.param(
            True,
            False,
            {
                "a": {"x": 2, "old": 1},
                "new": {},
                "web": ["a", "new", {"w": 2, "old": 1}],
                "all": {"v": 2, "old": 1},
            },
            id="hosts and groups go",
        ),
        pytest.param(
            False,
            True,
            {
                "a": {"x": 2},
                "gone": {"x": 1},
                "new": {},
                "web": ["a", "gone", "new", {"w": 2}],
                "lost": ["a", {"l": 1}],
                "all": {"v": 2},
            },
            id="variables go",
        ),
        pytest.param(True, True, facts(AFTER), id="all is new"),
    ],
)
def test_an_update(overwrite: bool, overwrite_vars: bool, expected: dict[str, Any]) -> None:
    found = updated(BEFORE, AFTER, overwrite=overwrite, overwrite_vars=overwrite_vars)
    assert facts(found) == expected


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_first_update(overwrite: bool) -> None:
    assert facts(updated(None, AFTER, overwrite=overwrite, overwrite_vars=False)) == facts(AFTER)


@pytest.fixture
def own() -> Flat:
    return Flat(
        {"mine": {"x": "own"}, "a": {"x": "own", "y": "own"}},
        {
            "all": FlatGroup(variables={"v": "own", "u": "own"}),
            "web": FlatGroup({"mine": None}, {}, {"w": "own", "z": "own"}),
        },
    )


def test_a_source_adds_to_the_inventory(own: Flat) -> None:
    found = merged(own, [SourceContent(AFTER)])
    assert found.hosts == {"mine": {"x": "own"}, "a": {"x": 2, "y": "own"}, "new": {}}
    assert list(found.groups["web"].hosts) == ["mine", "a", "new"]
    assert found.groups["web"].variables == {"w": 2, "z": "own"}
    assert found.groups["all"].variables == {"v": 2, "u": "own"}


def test_a_source_may_replace_variables(own: Flat) -> None:
    found = merged(own, [SourceContent(AFTER, overwrite_vars=True)])
    assert found.hosts == {"mine": {"x": "own"}, "a": {"x": 2}, "new": {}}
    assert found.groups["web"].variables == {"w": 2}
    # The inventory's own variables are never lost (AWX: Inventory.variables).
    assert found.groups["all"].variables == {"v": 2, "u": "own"}


def test_the_last_source_counts(own: Flat) -> None:
    first = {"_meta": {"hostvars": {"a": {"x": "first", "z": "first"}}}}
    second = {"_meta": {"hostvars": {"a": {"x": "second"}}}}
    found = merged(own, [SourceContent(first), SourceContent(second)])
    assert found.hosts["a"] == {"x": "second", "y": "own", "z": "first"}


def test_what_is_merged_is_left_as_it_was(own: Flat) -> None:
    before = listing_of(own)
    content_of(merged(own, [SourceContent(AFTER, overwrite_vars=True)]))
    assert listing_of(own) == before


def test_sources_can_make_no_circles(own: Flat) -> None:
    own.group("web").children["db"] = None
    with pytest.raises(Failure, match="within each other: db > web > db"):
        merged(own, [SourceContent({"all": {"children": ["db"]}, "db": {"children": ["web"]}})])
