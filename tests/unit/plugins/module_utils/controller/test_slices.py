# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices: their hosts, and the inventory with only these."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.controller.slices import (
    pare_inventory,
    slice_count,
    slice_hosts,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

HOSTS = ["web10", "db1", "web1", "web2", "db2"]


@pytest.mark.parametrize(
    ("number", "count", "expected"),
    [
        pytest.param(1, 1, ["db1", "db2", "web1", "web10", "web2"], id="one slice has all, by name"),
        pytest.param(1, 2, ["db1", "web1", "web2"], id="first of two"),
        pytest.param(2, 2, ["db2", "web10"], id="second of two"),
        pytest.param(3, 3, ["web1"], id="third of three"),
        pytest.param(5, 5, ["web2"], id="a host each"),
        pytest.param(6, 7, [], id="more slices than enabled hosts"),
    ],
)
def test_slice_hosts(number: int, count: int, expected: list[str]) -> None:
    assert slice_hosts(HOSTS, number, count) == expected


@pytest.mark.parametrize("count", range(1, 8))
def test_each_host_is_in_one_slice(count: int) -> None:
    slices = [slice_hosts(HOSTS, number, count) for number in range(1, count + 1)]
    assert sorted(host for hosts in slices for host in hosts) == sorted(HOSTS)
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


@pytest.mark.parametrize(("number", "count"), [(0, 2), (3, 2), (1, 0)])
def test_no_such_slice(number: int, count: int) -> None:
    with pytest.raises(ValueError, match="no slice"):
        slice_hosts(HOSTS, number, count)


@pytest.mark.parametrize(
    ("wanted", "hosts", "prompted", "expected"),
    [
        pytest.param(3, 5, False, 3, id="as wanted"),
        pytest.param(3, 2, True, 2, id="fewer hosts than slices"),
        pytest.param(1, 5, True, 1, id="not sliced"),
        pytest.param(3, 0, False, 0, id="template without hosts: a plain job"),
        pytest.param(1, 0, True, 0, id="prompted for none"),
    ],
)
def test_slice_count(wanted: int, hosts: int, prompted: bool, expected: int) -> None:
    assert slice_count(wanted, hosts, prompted=prompted) == expected


def test_no_hosts_to_slice() -> None:
    with pytest.raises(Failure, match="Job inventory does not have enough hosts for slicing") as caught:
        slice_count(2, 0, prompted=True)
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.startswith("job_slice_count is 2")


# -- inventories --

INVENTORY = """
all:
  vars: {everywhere: 1}
  hosts:
    lonely: {port: 1}
  children:
    sites:
      vars: {site: any, list: [1, {two: 2}]}
      children:
        north: {hosts: {web1: {port: 2}, web2: {}}}
        south: {hosts: {web3: {port: 4, name: "{{ inventory_hostname }}"}}}
    web:
      children: {north: {}, south: {}}
      vars: {site: web}
    db: {hosts: {db1: {port: 5}, web1: {extra: true}}}
    empty: {vars: {unused: yes}}
    bare: {}
"""


def listed(path: Path) -> dict[str, Any]:
    """What ansible-inventory makes of it, with variables of groups where they are given."""
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [program, "--list", "--export", "-i", str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={"ANSIBLE_INVENTORY_ENABLED": "yaml", "HOME": str(path.parent), "PATH": "/usr/bin:/bin"},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    found["_meta"].pop("profile", None)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    path.write_text(INVENTORY)
    return listed(path)


def again(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / "pared.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return listed(path)


def test_nothing_is_lost(whole: dict[str, Any], tmp_path: Path) -> None:
    assert again(pare_inventory(whole, ["lonely", "web1", "web2", "web3", "db1"]), tmp_path) == whole


def test_only_the_hosts_of_the_slice(whole: dict[str, Any], tmp_path: Path) -> None:
    pared = again(pare_inventory(whole, ["web1", "web3"]), tmp_path)
    assert pared["_meta"]["hostvars"] == {
        "web1": {"port": 2, "extra": True},
        "web3": {"port": 4, "name": "{{ inventory_hostname }}"},
    }
    assert pared["north"]["hosts"] == ["web1"]
    assert pared["south"]["hosts"] == ["web3"]
    assert pared["db"]["hosts"] == ["web1"]
    assert set(pared["all"]["children"]) == {"bare", "db", "empty", "sites", "ungrouped", "web"}
    for name in ("all", "sites", "web", "empty"):
        assert pared[name].get("vars") == whole[name].get("vars")
    assert set(pared["web"]["children"]) == {"north", "south"}


def test_groups_that_become_empty_stay(whole: dict[str, Any], tmp_path: Path) -> None:
    pared = again(pare_inventory(whole, ["db1"]), tmp_path)
    assert pared["_meta"]["hostvars"] == {"db1": {"port": 5}}
    assert pared["db"]["hosts"] == ["db1"]
    assert set(pared["sites"]["children"]) == {"north", "south"}


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        pytest.param({}, {"all": {}}, id="nothing"),
        pytest.param({"_meta": {}, "all": {"children": ["ungrouped"]}}, None, id="no hosts"),
        pytest.param(
            {"web": {"hosts": ["a", "b"], "vars": {"x": 1}}, "_meta": {"hostvars": {"a": {"y": 2}}}},
            {"all": {"children": {"web": {"hosts": {"a": {"y": 2}}, "vars": {"x": 1}}}}},
            id="a group that all does not name",
        ),
        pytest.param(
            {"all": None, "_meta": {"hostvars": {"a": {"y": 2}, "b": {}}}},
            {"all": {"hosts": {"a": {"y": 2}}}},
            id="a host in no group",
        ),
    ],
)
def test_unusual_inventories(inventory: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert pare_inventory(inventory, ["a"]) == (expected or {"all": {"children": {"ungrouped": {}}}})
