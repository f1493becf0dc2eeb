# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts get from their groups is told by a listing, or becomes their own.

That it is the same as in Ansible is tested with ansible-inventory itself, in job/test_ansible_inventory.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_ranks import (
    is_settled,
    settled,
)


def listing(*, priority: int = 1, own: dict[str, Any] | None = None, **variables: Any) -> dict[str, Any]:
    """Host `h` in `web`, which is in `site`, and in `db`; each group has the variable of its name as `x`."""
    groups: dict[str, Any] = {
        "all": {"children": ["ungrouped", "site", "db"]},
        "site": {"children": ["web"]},
        "web": {"hosts": ["h"]},
        "db": {"hosts": ["h"]},
    }
    for name, value in variables.items():
        groups[name]["vars"] = {"x": value}
    if priority != 1:
        groups["db"].setdefault("vars", {})["ansible_group_priority"] = priority
    return {"_meta": {"hostvars": {"h": own} if own else {}}, **groups}


@pytest.mark.parametrize(
    ("exported", "expected"),
    [
        pytest.param(listing(), True, id="no variables"),
        pytest.param(listing(all=1), True, id="one group"),
        pytest.param(listing(all=1, web=1, db=1), True, id="the same value"),
        pytest.param(listing(all=1, priority=5), True, id="a priority is no variable"),
        pytest.param(listing(all=1, web=2), False, id="child and parent"),
        pytest.param(listing(web=1, db=2), False, id="side by side"),
        pytest.param(listing(site={"a": 1}, db={"a": 2}), False, id="mappings"),
    ],
)
def test_when_groups_differ(exported: dict[str, Any], expected: bool) -> None:
    assert is_settled(exported) is expected


def effective(**variables: Any) -> dict[str, Any]:
    return {"_meta": {"hostvars": {"h": variables}}}


@pytest.mark.parametrize(
    ("wanted", "got", "own"),
    [
        pytest.param({"x": 1}, {"x": 1}, {}, id="the same"),
        pytest.param({"x": 1}, {"x": 2}, {"x": 1}, id="another value"),
        pytest.param({"x": 1}, {}, {"x": 1}, id="no value"),
        pytest.param({"x": None}, {}, {"x": None}, id="null"),
        pytest.param({}, {"x": 1}, {}, id="no value wanted"),
    ],
)
def test_a_host_gets_what_its_groups_would_not_give(
    wanted: dict[str, Any], got: dict[str, Any], own: dict[str, Any]
) -> None:
    exported = listing(all=1, web=2, own={"y": 0})
    found = settled(exported, effective(**wanted), effective(**got))
    assert found["_meta"]["hostvars"]["h"] == {"y": 0, **own}
    assert found["web"] == exported["web"]


def test_a_host_that_came_meanwhile_is_left_out() -> None:
    later = {"_meta": {"hostvars": {"new": {"x": 1}}}}
    assert settled(listing(all=1, web=2), later, {})["web"] == {"hosts": ["h"], "vars": {"x": 2}}
