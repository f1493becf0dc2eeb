# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of kinds and the tables of the database say the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import object_tables
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import (
    KINDS,
    NODE_LISTS,
    NODE_REFERENCES,
    Kind,
    Listed,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import jobs, metadata
from ansible_collections.jobpods.controller.plugins.module_utils.controller.usage import OWNED
from sqlalchemy import Column, Table

NODES = object_tables.workflow_nodes
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def target(column: Column[int]) -> tuple[str, str | None]:
    """The table that a column refers to, and what happens when a row of that is deleted."""
    (key,) = column.foreign_keys
    return key.column.table.name, key.ondelete


def listed(lists: dict[str, Listed] | object, owner: Table) -> Iterator[Table]:
    assert isinstance(lists, dict)
    for option, each in lists.items():
        table = each.table
        assert table.name == f"{owner.name}_{option}"
        assert target(table.c.owner_id) == (owner.name, "CASCADE")
        assert target(table.c.target_id) == (KINDS[each.kind].table.name, "RESTRICT")
        yield table


@each_kind
def test_options_have_their_columns(kind: Kind) -> None:
    columns = kind.table.c
    assert set(kind.columns) <= set(columns.keys())
    for option, other in kind.references.items():
        cascade = "CASCADE" if (kind.name, option) in OWNED else "RESTRICT"
        assert target(columns[f"{option}_id"]) == (KINDS[other].table.name, cascade)
    assert len(list(listed(kind.lists, kind.table))) == len(kind.lists)


@each_kind
def test_each_option_is_of_one_sort(kind: Kind) -> None:
    sorts = (*kind.columns, *kind.settings, *kind.references, *kind.lists)
    assert len(sorts) == len(set(sorts)) == len(kind.options)
    assert kind.sealed <= set(kind.settings)
    assert set(kind.scope) <= {*kind.references, *kind.columns}
    assert "name" not in kind.options


@each_kind
def test_names_are_unique_in_the_database_too(kind: Kind) -> None:
    (index,) = [index for index in kind.table.indexes if index.name == f"{kind.table.name}_by_name"]
    assert index.unique
    words = " ".join(str(expression) for expression in index.expressions)
    assert all(option in words for option in kind.scope)
    assert len(index.expressions) == 1 + len(kind.scope)


def test_no_reference_between_objects_is_unknown() -> None:
    """Each foreign key is an option's: usage.py and the modules know it."""
    known = {kind.table.c[f"{option}_id"] for kind in KINDS.values() for option in kind.references}
    known |= {NODES.c[f"{option}_id"] for option in NODE_REFERENCES} | {NODES.c.workflow_job_template_id}
    tables = [table for kind in KINDS.values() for table in listed(dict(kind.lists), kind.table)]
    tables += listed(NODE_LISTS, NODES)
    known |= {table.c[name] for table in tables for name in ("owner_id", "target_id")}
    found = {
        column
        for table in metadata.tables.values()
        if table.name not in ("jobs", "events")
        for column in table.c
        if column.foreign_keys
    }
    assert found == known


def test_nodes_refer_to_kinds() -> None:
    for option, kind in NODE_REFERENCES.items():
        assert target(NODES.c[f"{option}_id"]) == (KINDS[kind].table.name, "RESTRICT")


def test_jobs_forget_what_they_were_launched_from() -> None:
    """By columns that are called as usage.py looks for them."""
    kinds = {kind.table.name: kind.name for kind in KINDS.values()}
    for column in jobs.c:
        if column.foreign_keys and column.name != "parent_id":
            table, deleted = target(column)
            assert (column.name, deleted) == (f"{kinds[table]}_id", "SET NULL")
