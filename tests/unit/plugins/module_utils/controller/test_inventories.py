# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What inventory sources bring is kept in the store, sealed, and told when it is due again."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import inventories
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    from_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_layers import updated
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    inventory_sources,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from sqlalchemy import NullPool, create_engine, select


def listing(*hosts: str, **variables: Any) -> dict[str, Any]:
    return {
        "_meta": {"hostvars": {host: variables for host in hosts}},
        "all": {"children": ["found"]},
        "found": {"hosts": list(hosts)},
    }


def new_source(store: JobStore, name: str = "cloud", **options: Any) -> tuple[int, int]:
    """Ids of an inventory, made where there is none, and of a new source of it."""
    inventory = store.objects.save("inventory", Wanted("web")).id
    source = store.objects.save("inventory_source", Wanted(name, {"inventory": "web", **options})).id
    assert inventory is not None
    assert source is not None
    return inventory, source


def hosts(store: JobStore, inventory: int) -> list[list[str]]:
    return [list(from_listing(content.listing).hosts) for content in store.inventories.contents(inventory)]


def test_a_source_before_its_first_update(store: JobStore) -> None:
    inventory, source = new_source(store)
    (known,) = store.inventories.sources(inventory)
    assert (known.id, known.name, known.content, known.last_updated, known.due) == (
        source,
        "cloud",
        None,
        None,
        False,
    )
    assert store.inventories.contents(inventory) == []


def test_contents_come_in_the_order_of_their_sources(store: JobStore) -> None:
    inventory, first = new_source(store, "z")
    _inventory, second = new_source(store, "a", overwrite_vars=True)
    store.inventories.save_update(second, listing("b"))
    store.inventories.save_update(first, listing("a"))
    assert hosts(store, inventory) == [["a"], ["b"]]
    assert [content.overwrite_vars for content in store.inventories.contents(inventory)] == [False, True]


@pytest.mark.parametrize(
    ("chosen", "expected", "variables"),
    [
        pytest.param({}, ["a", "b", "c"], {"old": 1, "new": 2}, id="kept"),
        pytest.param({"overwrite": True}, ["b", "c"], {"old": 1, "new": 2}, id="overwrite"),
        pytest.param({"overwrite_vars": True}, ["a", "b", "c"], {"new": 2}, id="overwrite_vars"),
    ],
)
def test_an_update_keeps_what_the_options_say(
    store: JobStore, chosen: dict[str, Any], expected: list[str], variables: dict[str, int]
) -> None:
    inventory, source = new_source(store, **chosen)
    store.inventories.save_update(source, listing("a", "b", old=1))
    store.inventories.save_update(source, listing("b", "c", new=2))
    assert hosts(store, inventory) == [expected]
    (content,) = store.inventories.contents(inventory)
    assert content.listing["_meta"]["hostvars"]["b"] == variables


def test_an_update_tells_whether_anything_is_new(store: JobStore) -> None:
    _inventory, source = new_source(store)
    updates = [listing("a"), listing("a"), listing("a", x=1), listing("a", x=1), listing()]
    changed = [store.inventories.save_update(source, found) for found in updates]
    assert changed == [True, False, True, False, False]  # without overwrite, the host that is gone stays


def test_contents_are_sealed(store: JobStore, options: StoreOptions) -> None:
    _inventory, source = new_source(store)
    store.inventories.save_update(source, listing("a", known="in a variable"))
    engine = create_engine(options.database_url, poolclass=NullPool)
    with engine.begin() as connection:
        (row,) = connection.execute(select(inventory_sources)).all()
    engine.dispose()
    assert row.sealed_content
    assert "in a variable" not in str(row)


@pytest.mark.parametrize(
    ("chosen", "passed", "due"),
    [
        pytest.param({"update_on_launch": False}, 10_000, False, id="never"),
        pytest.param({"update_on_launch": True}, 0, True, id="each launch"),
        pytest.param({"update_on_launch": True, "update_cache_timeout": 60}, 59, False, id="new enough"),
        pytest.param({"update_on_launch": True, "update_cache_timeout": 60}, 60, True, id="too old"),
    ],
)
def test_when_a_source_is_due(
    store: JobStore, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any], passed: float, due: bool
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(inventories, "clock", lambda _connection: now)
    inventory, source = new_source(store, **chosen)
    assert store.inventories.sources(inventory)[0].due is chosen["update_on_launch"]
    store.inventories.save_update(source, listing("a"))
    now += passed
    (known,) = store.inventories.sources(inventory)
    assert (known.last_updated, known.due) == (1_000_000.0, due)


def test_updates_at_the_same_time_lose_nothing(
    store: JobStore, options: StoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read what is there before either writes; the later one starts again."""
    inventory, source = new_source(store)
    both = threading.Barrier(2)
    waited = threading.local()

    def together(known: Any, found: Any, *, overwrite: bool, overwrite_vars: bool) -> dict[str, Any]:
        if not getattr(waited, "done", False):
            waited.done = True
            both.wait(60)
        return updated(known, found, overwrite=overwrite, overwrite_vars=overwrite_vars)

    monkeypatch.setattr(inventories, "updated", together)

    def work(host: str) -> None:
        own = JobStore.open(options)
        own.inventories.save_update(source, listing(host))
        own.close()

    threads = [threading.Thread(target=work, args=(host,)) for host in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [sorted(found) for found in hosts(store, inventory)] == [["a", "b"]]


def test_a_source_that_was_deleted(store: JobStore) -> None:
    _inventory, source = new_source(store)
    store.objects.delete("inventory_source", Wanted("cloud", {"inventory": "web"}))
    with pytest.raises(Failure, match=f"inventory source {source} was deleted"):
        store.inventories.save_update(source, listing("a"))


def test_a_source_goes_with_its_inventory(store: JobStore) -> None:
    inventory, source = new_source(store)
    store.inventories.save_update(source, listing("a"))
    store.objects.delete("inventory", Wanted("web"))
    assert store.inventories.sources(inventory) == []
