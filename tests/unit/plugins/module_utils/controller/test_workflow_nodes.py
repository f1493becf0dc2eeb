# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a workflow job template: added, changed, removed, copied, shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.node_options import StoredNode
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    workflow_node_credentials,
    workflow_nodes,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import Node
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow_nodes import nodes_of
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.shop import (
    SECRET,
    WORKFLOW,
    Shop,
    node,
    runs,
    shop,
)
from sqlalchemy import func, select

__all__ = ["shop"]

A_TO_B = (node("a", success="b"), node("b"))
WHOLE = node(
    "whole",
    runs("build", organization={"name": "first"}),
    all_parents_must_converge=True,
    inventory={"name": "hosts", "organization": {"name": "second"}},
    execution_environment={"name": "image"},
    extra_data={"colour": "blue"},
    limit="web*",
    verbosity="3",
    job_tags="x,y",
    skip_tags="z",
    job_type="check",
    diff_mode=False,
    scm_branch="main",
    forks=7,
    timeout=60,
    job_slice_count=2,
    related={
        "success_nodes": [{"identifier": "b"}],
        "failure_nodes": [],
        "always_nodes": [{"identifier": "c"}],
        "credentials": [{"name": "vault"}, {"name": "key", "organization": {"name": "first"}}],
        "instance_groups": [{"name": "two"}, {"name": "one"}],
    },
)


def test_a_node_with_everything(shop: Shop) -> None:
    change = shop.save(WHOLE, node("b"), node("c"))
    assert change.changed
    assert change.options == ("workflow_nodes",)
    stored = shop.nodes()["whole"]
    assert stored == StoredNode(
        "whole",
        "job_template",
        shop.id_of("job_template", "build"),
        all_parents_must_converge=True,
        success_nodes=("b",),
        always_nodes=("c",),
        inventory=shop.store.get("inventory", "hosts", "name", "second").id,
        execution_environment=shop.id_of("execution_environment", "image"),
        credentials=(shop.id_of("credential", "vault"), shop.id_of("credential", "key")),
        instance_groups=(shop.id_of("container_group", "two"), shop.id_of("container_group", "one")),
        prompts={
            "limit": "web*",
            "verbosity": 3,
            "job_tags": "x,y",
            "skip_tags": "z",
            "job_type": "check",
            "diff_mode": False,
            "scm_branch": "main",
            "forks": 7,
            "timeout": 60,
            "job_slice_count": 2,
        },
        extra_data={"colour": "blue"},
    )
    assert stored.node == Node("whole", ("b",), (), ("c",), True)
    assert list(shop.nodes()) == ["whole", "b", "c"]
    assert not shop.save(WHOLE, node("b"), node("c")).changed
    assert not shop.save(WHOLE, node("b"), node("c"), destroy=True).changed


def test_what_is_shown_can_be_given(shop: Shop) -> None:
    """As a whole: it is what users copy, and what a diff shows."""
    shop.save(
        WHOLE,
        node("b"),
        node("c", runs("files", "inventory_source")),
        node("d", runs("inner", "workflow_job_template")),
    )
    shown = shop.shown()
    assert shown[0] == {
        **WHOLE,
        "verbosity": 3,
        "unified_job_template": {
            "name": "build",
            "organization": {"name": "first"},
            "type": "job_template",
        },
        "related": {
            **WHOLE["related"],
            "credentials": [{"name": "vault"}, {"name": "key", "organization": {"name": "first"}}],
        },
    }
    assert shown[2]["unified_job_template"] == {
        "name": "files",
        "inventory": {"name": "hosts", "organization": {"name": "second"}},
        "type": "inventory_source",
    }
    assert not shop.save(*shown, destroy=True).changed
    assert shop.save(name="again").changed
    shop.save(*shown, name="again")
    assert shop.shown("again") == shown


def test_before_and_after(shop: Shop) -> None:
    change = shop.save(*A_TO_B)
    assert change.before["workflow_nodes"] == []
    assert [shown["identifier"] for shown in change.after["workflow_nodes"]] == ["a", "b"]
    change = shop.save(node("a", limit="web"))
    assert change.before["workflow_nodes"][0].get("limit") is None
    assert change.after["workflow_nodes"][0]["limit"] == "web"
    assert change.after["workflow_nodes"] == shop.shown()


def test_check_mode(shop: Shop) -> None:
    change = shop.store.save("workflow_job_template", Wanted(WORKFLOW, nodes=A_TO_B), dry_run=True)
    assert change.changed
    assert len(change.after["workflow_nodes"]) == 2
    assert shop.nodes() == {}


def test_a_new_template_with_nodes(shop: Shop) -> None:
    change = shop.save(*A_TO_B, name="new")
    assert change.before == {}
    assert [shown["identifier"] for shown in change.after["workflow_nodes"]] == ["a", "b"]
    assert list(shop.nodes("new")) == ["a", "b"]
    assert shop.nodes() == {}


def test_what_is_not_given_stays(shop: Shop) -> None:
    """Other nodes, and other fields of a node: also where it is null."""
    shop.save(*A_TO_B, node("c"))
    before = shop.nodes()
    assert not shop.save().changed
    assert not shop.save({"identifier": "a"}).changed
    assert not shop.save({"identifier": "a", "limit": None, "related": {"success_nodes": None}}).changed
    change = shop.save({"identifier": "c", "limit": "db"}, node("d", always="a"))
    assert change.changed
    after = shop.nodes()
    assert list(after) == ["a", "b", "c", "d"]
    assert (after["a"], after["b"]) == (before["a"], before["b"])
    assert after["c"].prompts == {"limit": "db"}
    shop.save({"identifier": "c", "forks": 3})
    assert shop.nodes()["c"].prompts == {"limit": "db", "forks": 3}


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param({"limit": "", "verbosity": ""}, id="texts"),
        pytest.param({"inventory": ""}, id="inventory"),
        pytest.param({"inventory": {"name": ""}}, id="name of the inventory"),
        pytest.param({"execution_environment": {"name": ""}}, id="execution environment"),
        pytest.param({"extra_data": {}}, id="variables"),
        pytest.param({"related": {"credentials": [], "instance_groups": []}}, id="lists"),
        pytest.param({"credentials": [], "instance_groups": []}, id="lists, not in related"),
        pytest.param({"related": {"success_nodes": [], "always_nodes": []}}, id="links"),
        pytest.param({"all_parents_must_converge": False}, id="convergence"),
    ],
)
def test_fields_that_are_emptied(shop: Shop, nothing: dict[str, Any]) -> None:
    shop.save(WHOLE, node("b"), node("c"))
    before = shop.shown()[0]
    assert shop.save({"identifier": "whole", **nothing}).changed
    after = shop.shown()[0]
    gone = {name for name in before if before[name] != after.get(name)}
    assert gone == ({"related"} if {"credentials", "related"} & set(nothing) else set(nothing))
    for name, value in (nothing.get("related") or {}).items():
        assert after["related"][name] == value


def test_another_target(shop: Shop) -> None:
    shop.save(*A_TO_B)
    change = shop.save(
        {
            "identifier": "b",
            "unified_job_template": runs(
                "cloud", "inventory_source", inventory={"name": "hosts", "organization": {"name": "first"}}
            ),
        }
    )
    assert change.changed
    changed = shop.nodes()["b"]
    assert changed.runs == "inventory_source"
    assert shop.store.by_id("inventory_source", changed.target_id).name == "cloud"


def test_removed_nodes(shop: Shop) -> None:
    """Links to them go with them."""
    shop.save(node("a", success="b", always="c"), node("b", failure="c"), node("c"))
    assert shop.save({"identifier": "c", "state": "absent"}).changed
    assert [(left.identifier, left.node.children) for left in shop.nodes().values()] == [
        ("a", ("b",)),
        ("b", ()),
    ]
    assert not shop.save({"identifier": "c", "state": "absent"}).changed
    assert not shop.save({"identifier": "unknown", "state": "absent"}).changed
    message = shop.refused({"identifier": "b", "state": "absent"}, node("a", success="b"))
    assert "success_nodes of node 'a' names 'b', which is no node of this workflow" in message


def test_destroyed_nodes(shop: Shop) -> None:
    shop.save(node("a", success="b", limit="web"), node("b"), node("c", extra_data={"x": 1}))
    change = shop.save(node("c"), node("a"), destroy=True)
    assert change.changed
    assert shop.nodes() == {
        "c": StoredNode("c", "job_template", shop.id_of("job_template", "build")),
        "a": StoredNode("a", "job_template", shop.id_of("job_template", "build")),
    }
    assert list(shop.nodes()) == ["c", "a"]
    assert not shop.save(node("c"), node("a"), destroy=True).changed
    assert "(a).unified_job_template is missing" in shop.refused({"identifier": "a"}, destroy=True)
    assert shop.save(destroy=True).changed
    assert shop.nodes() == {}
    assert not shop.save(destroy=True).changed


def test_rows_are_kept(shop: Shop) -> None:
    """Those of nodes that stay, and those that change nothing are not written at all."""

    def rows() -> dict[str, tuple[int, str]]:
        columns = workflow_nodes.c
        statement = select(columns.identifier, columns.id, columns.sealed)
        found = shop.database.read(lambda connection: connection.execute(statement).all())
        return {row.identifier: (row.id, row.sealed) for row in found}

    shop.save(node("a", extra_data={"x": 1}), node("b", extra_data={"x": 1}), node("c"))
    before = rows()
    shop.save(node("a", extra_data={"x": 1}), node("b", extra_data={"x": 2}), node("new"), destroy=True)
    after = rows()
    assert set(after) == {"a", "b", "new"}
    assert after["a"] == before["a"], "sealing it again would have given another text"
    assert after["b"][0] == before["b"][0]
    assert after["b"][1] != before["b"][1]


def test_copy(shop: Shop) -> None:
    shop.save(WHOLE, node("b"), node("c"))
    change = shop.store.save("workflow_job_template", Wanted("copy", copy_from=WORKFLOW))
    assert change.after["workflow_nodes"] == shop.shown() != []
    assert list(shop.nodes("copy").values()) == list(shop.nodes().values())
    shop.store.save(
        "workflow_job_template", Wanted("copy", nodes=[{"identifier": "whole", "limit": "other"}])
    )
    assert shop.nodes()["whole"].prompts["limit"] == "web*"
    shop.save(node("d"), {"identifier": "c", "state": "absent"}, name="changed", copy_from=WORKFLOW)
    assert list(shop.nodes("changed")) == ["whole", "b", "d"]


def test_other_options_leave_nodes_alone(shop: Shop) -> None:
    shop.save(*A_TO_B)
    change = shop.store.save("workflow_job_template", Wanted(WORKFLOW, {"limit": "x"}, new_name="renamed"))
    assert change.options == ("limit", "name")
    assert list(shop.nodes("renamed")) == ["a", "b"]


def test_deleted_with_the_template(shop: Shop) -> None:
    shop.save(WHOLE, node("b"), node("c"))
    change = shop.store.delete("workflow_job_template", Wanted(WORKFLOW))
    assert [shown["identifier"] for shown in change.before["workflow_nodes"]] == ["whole", "b", "c"]
    for table in (workflow_nodes, workflow_node_credentials):
        statement = select(func.count()).select_from(table)
        assert shop.database.read(lambda connection, s=statement: connection.execute(s).scalar()) == 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("job_template", "build"),
        ("credential", "vault"),
        ("container_group", "two"),
        ("execution_environment", "image"),
    ],
)
def test_what_nodes_use_is_not_deleted(shop: Shop, kind: str, name: str) -> None:
    shop.save(WHOLE, node("b"), node("c"))
    with pytest.raises(Failure, match="node 'whole' of workflow job template 'release'"):
        shop.store.delete(kind, Wanted(name))


def test_for_the_engine(shop: Shop) -> None:
    shop.save(*A_TO_B)
    number = shop.id_of("workflow_job_template", WORKFLOW)
    found = shop.database.read(lambda connection: nodes_of(connection, shop.box, number))
    assert found == list(shop.nodes().values())


# -- workflows in workflows --


def test_a_workflow_in_a_workflow(shop: Shop) -> None:
    inner = runs("inner", "workflow_job_template")
    assert shop.save(node("a", inner, success="b"), node("b", inner)).changed
    assert shop.nodes()["a"].target_id == shop.id_of("workflow_job_template", "inner")


def test_a_workflow_that_would_run_itself(shop: Shop) -> None:
    inner, outer, middle = (runs(name, "workflow_job_template") for name in ("inner", WORKFLOW, "middle"))
    assert shop.refused(node("a", outer)).endswith("the workflow would run itself: release -> release.")
    shop.save(node("a", inner), name="middle")
    shop.save(node("a"), node("b", middle))
    message = shop.refused(node("a"), node("b", outer), name="inner")
    assert message.endswith("the workflow would run itself: inner -> release -> middle -> inner.")
    assert shop.nodes("inner") == {}


# -- secrets --


def test_secrets_are_sealed_and_not_shown(shop: Shop) -> None:
    shop.save(node("a", runs("curious"), extra_data={"word": SECRET, "size": 5}))
    assert shop.nodes()["a"].extra_data == {"word": SECRET, "size": 5}
    assert shop.shown()[0]["extra_data"] == {"word": "$encrypted$", "size": 5}
    assert SECRET not in repr(shop.nodes())
    rows = shop.database.read(lambda connection: connection.execute(select(workflow_nodes)).all())
    assert SECRET not in repr(rows)


@pytest.mark.parametrize("destroy", [False, True], ids=["edited", "destroyed"])
def test_a_secret_that_is_not_shown_is_kept(shop: Shop, destroy: bool) -> None:
    shop.save(node("a", runs("curious"), extra_data={"word": SECRET, "size": 5}))
    assert not shop.save(*shop.shown(), destroy=destroy).changed
    again = node("a", runs("curious"), extra_data={"word": "$encrypted$", "size": 6})
    assert shop.save(again, destroy=destroy).changed
    assert shop.nodes()["a"].extra_data == {"word": SECRET, "size": 6}


def test_a_secret_changes(shop: Shop) -> None:
    shop.save(node("a", runs("curious"), extra_data={"word": SECRET, "size": 5}))
    change = shop.save(node("a", runs("curious"), extra_data={"word": "another", "size": 5}))
    assert change.options == ("workflow_nodes",)
    assert change.before == change.after
    assert shop.nodes()["a"].extra_data["word"] == "another"
