# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects are found by what users call them, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.lookup import Lookup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    connected,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.little_objects import (
    make,
)
from sqlalchemy import Connection, update

PROJECT = KINDS["project"]


@pytest.fixture
def ids(store: JobStore) -> dict[str, int]:
    """Projects of two organizations and of none, by organization and name."""
    found = {f"org {name}": make(store.objects, "organization", name).id for name in ("a", "b")}
    for organization, name in (("a", "x"), ("b", "x"), ("", "y"), ("a", "z")):
        found[f"{organization} {name}"] = make(store.objects, "project", name, organization=organization).id
    return found


@pytest.fixture
def connection(options: StoreOptions, ids: dict[str, int]) -> Iterator[Connection]:
    with ExitStack() as stack:
        yield stack.enter_context(connected(options))


@pytest.fixture
def lookup(connection: Connection) -> Lookup:
    return Lookup(connection)


@pytest.mark.parametrize(
    "called",
    [
        "nothing",
        "",
        "X",
        "x ",
        "%",
        "x\0",
        "\ud800",
        "0",
        "-1",
        "999",
        "1.0",
        str(1 << 31),
        str(1 << 64),
        "9" * 5000,
        None,
        0,
        1 << 40,
        True,
        ["x"],
    ],
    ids=lambda called: ascii(called)[:20],
)
def test_nothing_is_found(lookup: Lookup, called: object) -> None:
    assert lookup.find(PROJECT, called) is None
    with pytest.raises(Failure, match=r"^project(: there is no project | is empty; give the name)") as caught:
        lookup.get(PROJECT, called, "project")
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.endswith("(there are: x, x, y, z).")


def test_found_by_name_and_by_id(lookup: Lookup, ids: dict[str, int]) -> None:
    for called in ("y", ids[" y"], str(ids[" y"])):
        assert lookup.get(PROJECT, called, "project").id == ids[" y"]


def test_name_comes_before_an_id(connection: Connection, ids: dict[str, int]) -> None:
    """Such a name can't be given today, but may be there."""
    table = PROJECT.table
    connection.execute(update(table).where(table.c.id == ids[" y"]).values(name=str(ids["a z"])))
    assert Lookup(connection).get(PROJECT, ids["a z"], "project").id == ids[" y"]


def test_several_of_a_name(lookup: Lookup, ids: dict[str, int]) -> None:
    listed = f"{ids['a x']}, {ids['b x']}"
    with pytest.raises(Failure) as caught:
        lookup.get(PROJECT, "x", "project")
    assert caught.value.message == (
        "project: There are 2 of kind project with the name 'x'; give organization, or its id"
        f" (one of {listed})."
    )
    assert lookup.get(PROJECT, ids["b x"], "project").id == ids["b x"]


def test_the_own_organization_comes_first(lookup: Lookup, ids: dict[str, int]) -> None:
    for organization in ("a", "b"):
        found = lookup.get(PROJECT, "x", "project", ids[f"org {organization}"])
        assert found.id == ids[f"{organization} x"]
    assert lookup.get(PROJECT, "z", "project", ids["org b"]).id == ids["a z"]
    assert lookup.get(PROJECT, ids["a z"], "project", ids["org b"]).id == ids["a z"]


def test_scope_with_nothing_in_it(lookup: Lookup, ids: dict[str, int]) -> None:
    assert lookup.find(PROJECT, "x", {"organization_id": None}) is None
    found = lookup.find(PROJECT, "y", {"organization_id": None})
    assert found is not None and found.id == ids[" y"]
    assert lookup.find(PROJECT, ids["a x"], {"organization_id": ids["org b"]}) is None


def test_message_lists_ten_names_at_most(store: JobStore, options: StoreOptions) -> None:
    with connected(options) as connection, pytest.raises(Failure, match="'it'; none is stored"):
        Lookup(connection).get(PROJECT, "it", "project")
    for number in range(12):
        make(store.objects, "project", f"p{number:02}")
    names = ", ".join(f"p{number:02}" for number in range(10))
    with connected(options) as connection, pytest.raises(Failure) as caught:
        Lookup(connection).get(PROJECT, "it", "project")
    assert caught.value.message == f"project: there is no project 'it' (there are: {names}, ...)."


def test_names_of_ids(lookup: Lookup, ids: dict[str, int]) -> None:
    wanted = [ids["a x"], None, ids[" y"], 999]
    expected = {ids["a x"]: "x", ids[" y"]: "y"}
    assert lookup.names("project", wanted) == expected
    assert lookup.names("project", wanted) == expected, "also of those that are known already"
    assert lookup.names("organization", [ids["org a"], None]) == {ids["org a"]: "a"}
    assert lookup.names("project", [None]) == {}
