# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories of launches: their hosts are known, and stored ones say what Ansible reads in the pod."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    from_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_layers import (
    SourceContent,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_inventory import (
    Reading,
    list_once,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.inventories import (
    check_inventory_values,
    inventory_hosts,
    launch_inventory,
    merged_inventory,
    read_inventory,
    source_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import (
    InventorySource,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import (
    read_inventory as read_option,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import (
    environment,
    tagged,
    vaulted,
    write,
)

WEB = {"hosts": {"web1": {}, "web2": {"y": 2}}}
RANGES = {"web[01:03]": {"x": 1}, "web02:2222": {"x": 2}, "new:22": {}, "[fe80::1]:22": {}}
CONTENTS: dict[str, dict[str, Any]] = {
    "nested": {
        "all": {
            "hosts": {"alone": {"x": 1}},
            "vars": {"v": "all"},
            "children": {"site": {"children": {"web": WEB}, "vars": {"v": "site"}}, "empty": {}},
        }
    },
    "ranges": {"web": {"hosts": RANGES}},
    "twice": {
        "a": {"hosts": {"h": {"x": "a"}}, "children": {"b": {"hosts": {"h": {"x": "b", "y": "b"}}}}},
        "b": {"vars": {"z": 1}, "hosts": {"g": {}}},
        "c": {"children": {"a": {}}},
    },
    "children first": {"a": {"children": {"b": {"hosts": {"h": {"x": "b"}}}}, "hosts": {"h": {"x": "a"}}}},
    "ungrouped": {
        "ungrouped": {"hosts": {"u": {}, "alone": {}}, "vars": {"x": 1}},
        "web": {"hosts": {"u": {}}},
    },
    "hosts of all": {"all": {"hosts": {"a": {}, "b": {}}}, "web": {"hosts": {"b": {}}}},
    "priorities": {
        "a": {"hosts": {"h": {}}, "vars": {"x": 1, "ansible_group_priority": 10}},
        "b": {"hosts": {"h": {}}, "vars": {"x": 2}},
    },
}


def reading(home: Path, **options: Any) -> Reading:
    return Reading(environment=environment(home), **options)


def source(content: dict[str, Any], folder: Path) -> InventorySource:
    return read_option(content, folder)


async def ansible_lists(content: dict[str, Any], folder: Path, *, export: bool) -> dict[str, Any]:
    """What ansible-inventory lists of a content, as the payload has it."""
    path = write(folder / "pod/hosts.yml", json.dumps(content, indent=1))
    listing = await list_once(str(path), reading(folder), "the pod's", export=export)
    listing["_meta"].pop("profile", None)
    return listing


def sets(listing: dict[str, Any]) -> dict[str, Any]:
    """A listing without the order of hosts and children, and without groups that have nothing in them."""
    names = {name for name in listing if name != "_meta"}

    def comparable(key: str, value: Any) -> Any:
        return (
            {each for each in value if key == "hosts" or each in names} if isinstance(value, list) else value
        )

    return {
        name: {key: comparable(key, value) for key, value in group.items() if value}
        for name, group in listing.items()
    }


def values(**options: Any) -> dict[str, Any]:
    """A stored inventory's, as they are where nothing is given."""
    return {"content": {}, "path": "", "variables": {}, **options}


# --- hosts -----


@pytest.mark.parametrize("name", CONTENTS)
async def test_a_content_says_what_ansible_reads(tmp_path: Path, name: str) -> None:
    content = CONTENTS[name]
    found = await read_inventory(source(content, tmp_path), reading(tmp_path))
    listed = await ansible_lists(content, tmp_path, export=True)
    assert sets(found.listing) == sets(listed)
    assert sorted(found.hosts) == sorted(from_listing(listed).hosts)
    assert await inventory_hosts(source(content, tmp_path), reading(tmp_path)) == found.hosts


@pytest.mark.parametrize("name", CONTENTS)
async def test_its_listing_is_the_same_inventory_again(tmp_path: Path, name: str) -> None:
    """As for a slice that has all hosts."""
    found = await read_inventory(source(CONTENTS[name], tmp_path), reading(tmp_path))
    again = source_of(found.listing)
    assert again == source(again.content, tmp_path)
    before = await ansible_lists(CONTENTS[name], tmp_path, export=False)
    assert sets(await ansible_lists(again.content, tmp_path, export=False)) == sets(before)


async def test_a_file_is_read_by_ansible(tmp_path: Path) -> None:
    write(tmp_path / "hosts", "[web]\nweb[1:3]\n[db]\ndb1\n")
    write(tmp_path / "group_vars/web.yml", {"x": 1})
    file = read_option("hosts", tmp_path)
    found = await read_inventory(file, reading(tmp_path))
    assert found.hosts == await inventory_hosts(file, reading(tmp_path)) == ("web1", "web2", "web3", "db1")
    assert found.listing["web"]["vars"] == {"x": 1}


async def test_a_list_of_hosts(tmp_path: Path) -> None:
    assert await inventory_hosts(read_option("b,a,b", tmp_path), reading(tmp_path)) == ("b", "a")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param({"web": {"hosts": {"web[3:1]": {}}}}, "has a range with nothing in it", id="range"),
        pytest.param({"a": {"children": {"b": {}}}, "b": {"children": {"a": {}}}}, "a > b > a", id="circle"),
    ],
)
async def test_a_content_that_ansible_would_not_read(
    tmp_path: Path, content: dict[str, Any], words: str
) -> None:
    with pytest.raises(Failure, match=words) as refused:
        await inventory_hosts(source(content, tmp_path), reading(tmp_path))
    assert refused.value.reason == "InventoryInvalid"


# --- stored inventories -----

TEXT = """
all:
  hosts:
    web[1:2]:
      since: 2024-01-02
      raw: !unsafe '{{ x }}'
  vars: {a: content, b: content}
"""
BROUGHT = SourceContent(
    {
        "_meta": {"hostvars": {"web2": {"x": "source"}, "new": {}}},
        "all": {"vars": {"b": "source", "c": "source"}},
    }
)


def test_a_text_is_checked_and_kept_with_its_ranges() -> None:
    checked = check_inventory_values(values(content=TEXT, variables="c: [1]"))
    assert checked["content"] == {
        "all": {
            "hosts": {"web[1:2]": {"since": "2024-01-02", "raw": {"__ansible_unsafe": "{{ x }}"}}},
            "vars": {"a": "content", "b": "content"},
        }
    }
    assert checked["variables"] == {"c": [1]}
    assert check_inventory_values(checked) == checked


@pytest.mark.parametrize("path", ["", "/etc/ansible/hosts"])
def test_other_options_are_left_alone(path: str) -> None:
    given = values(path=path, variables={"a": 1}, instance_groups=[3])
    assert check_inventory_values(given) == given


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"content": TEXT, "path": "/x"}, "content and path exclude each other", id="both"),
        pytest.param({"path": "hosts"}, "path is 'hosts'; it must be absolute", id="relative"),
        pytest.param({"content": "a: b: c"}, r"content is not valid YAML \(line 1, column 5\)", id="syntax"),
        pytest.param({"content": "[web]\nweb1"}, "content is not valid YAML", id="INI"),
        pytest.param({"content": "[web]"}, "content must be a mapping, but it is a list", id="list"),
        pytest.param({"content": "web: {host: {}}"}, "content.web has 'host'", id="section"),
        pytest.param({"content": "web: {hosts: {1.5: {}}}"}, "the name 1.5; .* in quotes", id="number"),
        pytest.param({"content": "web: {hosts: {'a[1:': {}}}"}, "has no valid range", id="range"),
        pytest.param({"content": {"plugin": "x"}}, "make an inventory_source of it", id="plugin"),
        pytest.param({"variables": "[1]"}, "variables must be a mapping", id="variables"),
    ],
)
def test_what_is_not_stored(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure, match=words) as refused:
        check_inventory_values(values(**options))
    assert refused.value.reason == "InvalidConfiguration"


def test_content_variables_and_sources_together() -> None:
    stored = check_inventory_values(values(content=TEXT, variables={"a": "variables"}))
    content = merged_inventory(stored, [BROUGHT])
    own = {"since": "2024-01-02", "raw": {"__ansible_unsafe": "{{ x }}"}}
    assert content == {
        "all": {
            "hosts": {"web1": own, "web2": {**own, "x": "source"}, "new": {}},
            "vars": {"a": "variables", "b": "source", "c": "source"},
        }
    }
    assert stored["content"]["all"]["vars"] == {"a": "content", "b": "content"}


def test_nothing_at_all() -> None:
    assert merged_inventory(values(), []) == {"all": {}}


async def test_an_inventory_without_anything_is_no_broken_one(tmp_path: Path) -> None:
    listing = await ansible_lists(merged_inventory(values(), []), tmp_path, export=True)
    assert from_listing(listing).hosts == {}


async def test_a_path_alone_is_sent_as_it_is(tmp_path: Path) -> None:
    file = str(write(tmp_path / "inventory/hosts", "a\n"))
    found = await launch_inventory(values(path=file), [], reading(tmp_path))
    assert found == InventorySource("file", file)
    folder = str(tmp_path / "inventory")
    found = await launch_inventory(values(path=folder), [], reading(tmp_path))
    assert found == InventorySource("folder", folder)


async def test_a_path_with_more_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "hosts.yml", TEXT)
    stored = values(path=str(file), variables={"a": "variables"})
    found = await launch_inventory(stored, [BROUGHT], reading(tmp_path))
    assert found.content == merged_inventory(
        check_inventory_values(values(content=TEXT, variables={"a": "variables"})), [BROUGHT]
    )


async def test_vaulted_files_of_a_path_are_not_needed_before_the_pod(tmp_path: Path) -> None:
    """Values that are vaulted stay so."""
    text = vaulted("secret")
    file = write(tmp_path / "hosts.yml", f"web:\n  hosts:\n    web1:\n      x: {tagged(text)}")
    found = await launch_inventory(values(path=str(file), variables={"a": 1}), [], reading(tmp_path))
    assert found.content["all"]["hosts"] == {"web1": {"x": {"__ansible_vault": text}}}


@pytest.mark.parametrize("variables", [{}, {"a": 1}], ids=["alone", "with variables"])
async def test_a_path_that_is_gone(tmp_path: Path, variables: dict[str, Any]) -> None:
    with pytest.raises(Failure, match="path /nowhere/hosts does not exist on the controller") as refused:
        await launch_inventory(values(path="/nowhere/hosts", variables=variables), [], reading(tmp_path))
    assert refused.value.reason == "InventoryInvalid"
