# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many objects are made one after another, or in a rehearsal that leaves nothing behind."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Change,
    ObjectEditor,
    Wanted,
    unchecked,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    everything,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.little_objects import (
    make,
)


def chain(editor: ObjectEditor) -> list[Change]:
    """Objects that need those before them."""
    done: list[Change] = []
    for kind, name, option in (
        ("organization", "o", ""),
        ("inventory", "i", "organization"),
        ("inventory_source", "s", "inventory"),
    ):
        given = {option: done[-1].id} if option else {}
        change = editor.save(kind, Wanted(name, given), unchecked)
        assert isinstance(change, Change)
        done.append(change)
    return done


def test_objects_need_those_before_them(store: JobStore) -> None:
    assert [change.changed for change in store.objects.edit(chain)] == [True] * 3
    assert [change.changed for change in store.objects.edit(chain)] == [False] * 3
    (source,) = store.objects.list("inventory_source")
    assert source["inventory"] == "i"


def test_a_rehearsal_leaves_nothing_behind(store: JobStore, options: StoreOptions) -> None:
    before = everything(options)
    changes = store.objects.edit(chain, dry_run=True)
    assert [(change.changed, change.before) for change in changes] == [(True, {})] * 3
    assert everything(options) == before


@pytest.mark.parametrize("dry_run", [False, True], ids=["in earnest", "rehearsed"])
def test_one_that_can_not_be_does_not_keep_others_from_it(store: JobStore, dry_run: bool) -> None:
    def work(editor: ObjectEditor) -> list[Change | Failure]:
        return [
            editor.save("organization", Wanted("1"), unchecked),
            editor.save("project", Wanted("p", {"organization": "nowhere"}), unchecked),
            editor.save("organization", Wanted("o"), unchecked),
        ]

    number, nowhere, done = store.objects.edit(work, dry_run=dry_run)
    assert isinstance(number, Failure) and "a number" in number.message
    assert isinstance(nowhere, Failure) and "'nowhere'" in nowhere.message
    assert isinstance(done, Change) and done.changed
    assert [each["name"] for each in store.objects.list("organization")] == ([] if dry_run else ["o"])


def test_an_object_is_found_by_all_that_makes_its_name_unique(store: JobStore) -> None:
    ours, theirs = (make(store.objects, "organization", name) for name in ("ours", "theirs"))
    made = {
        (owner, kind): make(
            store.objects, "credential", "c", organization=owner or "", credential_type=kind
        ).id
        for owner in (ours.id, theirs.id, None)
        for kind in ("machine", "vault")
    }

    def work(editor: ObjectEditor) -> dict[tuple[int | None, str], int | None]:
        found = {
            (owner, kind): editor.find("credential", "c", {"organization": owner, "credential_type": kind})
            for owner, kind in made
        }
        return {key: None if each is None else each.id for key, each in found.items()}

    assert store.objects.edit(work) == made


def test_a_number_is_no_id(store: JobStore) -> None:
    stored = make(store.objects, "organization", "o")
    assert store.objects.edit(lambda editor: editor.find("organization", str(stored.id), {})) is None
    assert store.objects.edit(lambda editor: editor.find("organization", "o", {})) == stored
