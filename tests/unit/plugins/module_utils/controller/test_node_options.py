# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `workflow_nodes`: what can be given, and what is wrong with what can't."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.shop import (
    SECRET,
    WORKFLOW,
    Shop,
    node,
    refusing_shop,
    runs,
    shop,
)

__all__ = ["refusing_shop", "shop"]

FIRST = {"name": "first"}
HOSTS = {"name": "hosts", "organization": {"name": "second"}}


@pytest.mark.parametrize(
    ("target", "kind", "expected"),
    [
        pytest.param(runs("build"), "job_template", "build", id="job template"),
        pytest.param(runs("build", organization=FIRST), "job_template", "build", id="with its organization"),
        pytest.param(runs("build", organization="first"), "job_template", "build", id="plain organization"),
        pytest.param(runs("code", "project", organization=FIRST), "project", "code", id="project"),
        pytest.param(runs("files", "inventory_source"), "inventory_source", "files", id="inventory source"),
        pytest.param(
            runs("cloud", "inventory_source", inventory=HOSTS),
            "inventory_source",
            "cloud",
            id="its inventory",
        ),
        pytest.param(
            runs("cloud", "inventory_source", inventory={"organization": {"name": "second"}}),
            "inventory_source",
            "cloud",
            id="organization of its inventory, as in awx.awx's examples",
        ),
        pytest.param(
            runs("files", "inventory_source", inventory={}), "inventory_source", "files", id="empty inventory"
        ),
        pytest.param(runs("inner", "workflow_job_template"), "workflow_job_template", "inner", id="workflow"),
        pytest.param(
            runs("build", description="x", timeout=0), "job_template", "build", id="more of awx.awx"
        ),
    ],
)
def test_targets(shop: Shop, target: dict[str, Any], kind: str, expected: str) -> None:
    shop.save(node("a", target))
    stored = shop.nodes()["a"]
    assert stored.runs == kind
    found = shop.store.by_id(kind, stored.target_id)
    assert found.name == expected
    if "inventory" in target and target["inventory"]:
        assert found.values["inventory"] == shop.store.get("inventory", "hosts", "name", "second").id


def test_a_target_by_its_id(shop: Shop) -> None:
    number = shop.id_of("job_template", "build")
    shop.save(node("a", runs(str(number))), node("b", runs(number)))  # type: ignore[arg-type]
    assert [stored.target_id for stored in shop.nodes().values()] == [number, number]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"inventory": "hosts2"}, id="inventory"),
        pytest.param({"inventory": {"name": "hosts2"}}, id="inventory as a mapping"),
        pytest.param({"execution_environment": "image"}, id="execution environment"),
        pytest.param({"credentials": ["vault"]}, id="credentials"),
        pytest.param({"related": {"credentials": ["vault"]}}, id="related credentials"),
        pytest.param({"instance_groups": ["one", {"name": "two"}]}, id="instance groups"),
        pytest.param({"related": {"success_nodes": ["b"]}}, id="link"),
        pytest.param({"related": {"labels": []}}, id="no labels"),
        pytest.param({"related": {}}, id="nothing related"),
        pytest.param({"labels": None, "approval": None}, id="null"),
        pytest.param({"verbosity": 2}, id="verbosity as a number"),
        pytest.param({"state": "present"}, id="present"),
    ],
)
def test_other_forms(shop: Shop, fields: dict[str, Any]) -> None:
    shop.add("inventory", "hosts2")
    assert shop.save({**node("a"), **fields}, node("b")).changed
    assert not shop.save({**node("a"), **fields}, node("b")).changed


A = "workflow_nodes[0] (a)"
TARGET = f"{A}.unified_job_template"

WRONG = {
    "no mapping": ("a", "workflow_nodes[0] must be a mapping with identifier,"),
    "no identifier": ({"unified_job_template": runs()}, "workflow_nodes[0].identifier is missing"),
    "identifier is a number": ({"identifier": 5}, "workflow_nodes[0].identifier is missing"),
    "identifier too long": (node("x" * 513), "workflow_nodes[0].identifier is missing"),
    "unknown field": (node("a", limits="x"), f"{A} has 'limits'; did you mean limit?"),
    "state": (node("a", state="exists"), f"{A}.state is 'exists'; it must be present or absent"),
    "no target": ({"identifier": "a"}, f"{TARGET} is missing; give name and type, one of job_template,"),
    "target is a name": ({"identifier": "a", "unified_job_template": "build"}, f"{TARGET} must be a mapping"),
    "no type": (node("a", {"name": "build"}), f"{TARGET}.type is missing; it must be one of job_template,"),
    "unknown type": (node("a", runs("x", "play")), f"{TARGET}.type is 'play'; it must be one of"),
    "approval": (
        node("a", runs("x", "workflow_approval")),
        f"{TARGET}.type is workflow_approval: approval nodes are not supported; leave the node out",
    ),
    "system job": (node("a", runs("x", "system_job_template")), "system jobs are not supported"),
    "no name": (node("a", {"type": "project"}), f"{TARGET}.name is missing"),
    "unknown field of the target": (node("a", runs(organisation="x")), f"{TARGET} has 'organisation'"),
    "unknown target": (
        node("a", runs("none")),
        f"{TARGET}.name: there is no job template 'none' (there are:",
    ),
    "several of the name": (
        node("a", runs("code", "project")),
        f"{TARGET}.name: There are 2 of kind project with the name 'code'; give organization",
    ),
    "unknown organization": (
        node("a", runs(organization={"name": "third"})),
        f"{TARGET}.organization.name: there is no organization 'third'",
    ),
    "several sources of the name": (
        node("a", runs("cloud", "inventory_source")),
        f"{TARGET}.name: There are 2 of kind inventory source with the name 'cloud'; give inventory",
    ),
    "source of another inventory": (
        node("a", runs("files", "inventory_source", inventory={"name": "hosts", "organization": FIRST})),
        f"{TARGET}.name: there is no inventory source 'files' in this inventory",
    ),
    "source of another organization": (
        node("a", runs("files", "inventory_source", inventory={"organization": FIRST})),
        f"{TARGET}.name: there are 0 inventory sources 'files' in inventories of this organization",
    ),
    "unknown inventory": (node("a", inventory="none"), f"{A}.inventory: there is no inventory 'none'"),
    "unknown environment": (
        node("a", execution_environment={"name": "none"}),
        f"{A}.execution_environment.name: there is no execution environment 'none'",
    ),
    "unknown credential": (
        node("a", related={"credentials": [{"name": "vault"}, {"name": "none"}]}),
        f"{A}.related.credentials[1].name: there is no credential 'none'",
    ),
    "unknown group": (
        node("a", instance_groups=["none"]),
        f"{A}.instance_groups[0]: there is no container group 'none'",
    ),
    "credential without a name": (
        node("a", related={"credentials": [{"id": 3}]}),
        f"{A}.related.credentials[0].name is missing",
    ),
    "related is a list": (
        node("a") | {"related": ["b"]},
        f"{A}.related must be a mapping with success_nodes,",
    ),
    "unknown relation": (node("a", related={"next": []}), f"{A}.related has 'next'; it has success_nodes,"),
    "labels": (
        node("a", related={"labels": [{"name": "x"}]}),
        f"{A}.related.labels: labels are not supported",
    ),
    "links are no list": (
        node("a", related={"success_nodes": "b"}),
        f"{A}.related.success_nodes must be a list, but it is text",
    ),
    "link without identifier": (
        node("a", related={"success_nodes": [{"name": "b"}]}),
        f"{A}.related.success_nodes[0] must be a mapping with the identifier of a node",
    ),
    "link to nothing": (node("a", success="x"), "success_nodes of node 'a' names 'x', which is no node"),
    "convergence": (
        node("a", all_parents_must_converge="all"),
        "all_parents_must_converge is 'all'; it must be",
    ),
    "diff mode": (node("a", diff_mode="yes"), f"{A}.diff_mode is 'yes'; it must be true or false"),
    "job type": (node("a", job_type="scan"), f"{A}.job_type is 'scan'; it must be run or check"),
    "limit": (node("a", limit=["web"]), f"{A}.limit must be text, but it is a list"),
    "verbosity": (node("a", verbosity=6), f"{A}.verbosity is 6; it must be a whole number from 0 to 5"),
    "forks": (node("a", forks="many"), f"{A}.forks is 'many'; it must be a whole number from 0 to 1000"),
    "forks are true": (node("a", forks=True), f"{A}.forks is True"),
    "slices": (node("a", job_slice_count=0), f"{A}.job_slice_count is 0; it must be a whole number from 1"),
    "variables": (node("a", extra_data=["x"]), f"{A}.extra_data must be a mapping, but it is a list"),
    "kept secret": (
        node("a", runs("curious"), extra_data={"word": "$encrypted$"}),
        f"{A}.extra_data.word is $encrypted$, which stands for what is stored; nothing is",
    ),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_wrong_nodes(refusing_shop: Shop, given: Any, message: str) -> None:
    assert message in refusing_shop.refused(given)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        pytest.param(
            (node("a"), node("b"), node("a")),
            "workflow_nodes[2] has the identifier 'a', as workflow_nodes[0] has",
            id="twice",
        ),
        pytest.param(
            (node("a", success="b"), node("b", always="a")), "the links make a cycle, a -> b -> a", id="cycle"
        ),
        pytest.param(
            (node("a"), {"identifier": "b", "forks": -1}), "workflow_nodes[1] (b).unified_job", id="second"
        ),
    ],
)
def test_wrong_together(refusing_shop: Shop, nodes: tuple[Any, ...], message: str) -> None:
    assert message in refusing_shop.refused(*nodes)


def test_a_cycle_with_stored_nodes(shop: Shop) -> None:
    shop.save(node("a", success="b"), node("b", success="c"), node("c"))
    assert "a cycle, a -> b -> c -> a" in shop.refused(node("c", failure="a"))


# -- prompts --


@pytest.mark.parametrize(
    ("target", "fields", "message"),
    [
        pytest.param(
            runs("quiet"),
            {"limit": "db"},
            "the job template that it runs does not ask for it on launch; set ask_limit_on_launch there",
            id="limit",
        ),
        pytest.param(runs("quiet"), {"job_tags": "x"}, "set ask_tags_on_launch there", id="tags"),
        pytest.param(runs("quiet"), {"diff_mode": True}, "set ask_diff_mode_on_launch there", id="diff"),
        pytest.param(runs("quiet"), {"forks": 9}, "set ask_forks_on_launch there", id="forks"),
        pytest.param(
            runs("quiet"), {"inventory": HOSTS}, "set ask_inventory_on_launch there", id="inventory"
        ),
        pytest.param(
            runs("quiet"),
            {"execution_environment": "image"},
            "set ask_execution_environment_on_launch there",
            id="environment",
        ),
        pytest.param(
            runs("quiet"), {"credentials": ["vault"]}, "set ask_credential_on_launch there", id="credentials"
        ),
        pytest.param(
            runs("quiet"),
            {"instance_groups": ["one"]},
            "set ask_instance_groups_on_launch there",
            id="groups",
        ),
        pytest.param(
            runs("quiet"),
            {"extra_data": {"fixed": 2, "more": 1}},
            "the job template that it runs does not ask for fixed, more on launch, neither by"
            " ask_variables_on_launch nor in a survey",
            id="variables",
        ),
        pytest.param(
            runs("inner", "workflow_job_template"),
            {"forks": 9},
            "the workflow job template that it runs does not ask for it on launch.",
            id="workflow",
        ),
        pytest.param(
            runs("files", "inventory_source"),
            {"limit": "x"},
            "the inventory source that it runs does not ask for it on launch.",
            id="inventory source",
        ),
        pytest.param(
            runs("code", "project", organization=FIRST),
            {"extra_data": {"x": 1}},
            "the project that it runs does not ask for x",
            id="project",
        ),
        pytest.param(
            runs("curious"), {"extra_data": {"size": 1, "other": 2}}, "does not ask for other on", id="survey"
        ),
        pytest.param(
            runs("curious"),
            {"extra_data": {"size": 10}},
            "extra_vars, asked for by the survey: 'size' value is too large: it is 10",
            id="wrong answer",
        ),
    ],
)
def test_prompts_that_nobody_asks_for(
    refusing_shop: Shop, target: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    refused = refusing_shop.refused(node("a", target, **fields))
    assert refused.startswith(f"{A}.{next(iter(fields))}: ")
    assert message in refused


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        pytest.param(
            runs("quiet"), {"limit": "web", "forks": 0, "diff_mode": False}, id="what it has anyway"
        ),
        pytest.param(runs("quiet"), {"extra_data": {"fixed": 1}}, id="variables that it has anyway"),
        pytest.param(runs("curious"), {"extra_data": {"size": 5}}, id="some answers to a survey"),
        pytest.param(runs(), {"extra_data": {"any": [1, {"thing": None}]}}, id="any variables"),
        pytest.param(
            runs("inner", "workflow_job_template"), {"limit": "x", "extra_data": {"x": 1}}, id="workflow"
        ),
    ],
)
def test_prompts_that_are_accepted(shop: Shop, target: dict[str, Any], fields: dict[str, Any]) -> None:
    assert shop.save(node("a", target, **fields)).changed


def test_nodes_that_are_not_given_are_not_checked(shop: Shop) -> None:
    """A template may have changed since: that is a matter of the launch."""
    shop.save(node("a", limit="web"))
    shop.add("job_template", "build", organization="first", ask_limit_on_launch=False)
    shop.save(node("b"))
    assert list(shop.nodes()) == ["a", "b"]
    assert "(a).limit" in shop.refused({"identifier": "a", "forks": 3})


def test_no_message_shows_a_password(shop: Shop) -> None:
    with pytest.raises(Failure) as caught:
        shop.save(node("a", runs("curious"), extra_data={"word": SECRET[:2]}))
    assert "has 2 characters" in caught.value.message
    assert SECRET[:2] not in caught.value.message.replace("that", "")


def test_only_workflows_have_nodes(shop: Shop) -> None:
    assert "workflow_nodes" not in shop.store.get("job_template", "build", "name").values
    assert "workflow_nodes" in shop.store.get("workflow_job_template", WORKFLOW, "name").values
