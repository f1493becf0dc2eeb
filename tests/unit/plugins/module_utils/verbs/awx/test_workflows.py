# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of an exported workflow; what hangs on one that can't be goes with it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key, Unknown
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.workflows import (
    ExportedNode,
    prune,
    read_node,
)

TEMPLATE = {"name": "t", "organization": None, "type": "job_template"}
KEY = Key("job_template", "t")


def node(identifier: str, *children: str, converge: bool = False, **links: tuple[str, ...]) -> ExportedNode:
    return ExportedNode(identifier, KEY, converge, {"success_nodes": children, **links})


@pytest.mark.parametrize(
    ("nodes", "missing", "kept", "fewer"),
    [
        pytest.param([node("a", "b"), node("b")], [], {"a": ["b"], "b": []}, [], id="all there"),
        pytest.param([node("a", "b"), node("b")], ["b"], {"a": []}, [], id="an end"),
        pytest.param(
            [node("a", "b"), node("b", "c"), node("c"), node("d")], ["b"], {"a": [], "d": []}, [], id="middle"
        ),
        pytest.param(
            [node("c"), node("b", "c"), node("a", "b")], ["a"], {}, [], id="all after it, in any order"
        ),
        pytest.param(
            [node("a", "c"), node("b", "c"), node("c")],
            ["a"],
            {"b": ["c"], "c": []},
            ["c"],
            id="one of two parents",
        ),
        pytest.param(
            [node("a", "c"), node("b", "c"), node("c", converge=True)],
            ["a"],
            {"b": []},
            [],
            id="one of two parents that must converge",
        ),
        pytest.param(
            [node("a", failure_nodes=("b",)), node("b")], ["a"], {}, [], id="a failure link counts, too"
        ),
        pytest.param([node("a", "nowhere")], [], {"a": []}, [], id="a link to nothing"),
        pytest.param(
            [node("a", "b", always_nodes=("b",)), node("b")], ["a"], {}, [], id="two links to the same"
        ),
    ],
)
def test_nodes_go_with_their_parents(
    nodes: list[ExportedNode], missing: list[str], kept: dict[str, list[str]], fewer: list[str]
) -> None:
    pruned = prune(nodes, dict.fromkeys(missing, "it can't be"))
    assert {each.identifier: sorted(each.children) for each in pruned.nodes} == kept
    assert list(pruned.fewer) == fewer
    assert set(pruned.left_out) == {each.identifier for each in nodes} - set(kept)


def test_it_is_told_why_a_node_goes() -> None:
    pruned = prune([node("a", "b"), node("b", "c"), node("c")], {"a": "approval 'x': there are no approvals"})
    assert pruned.left_out == {
        "a": "approval 'x': there are no approvals",
        "b": "job template 't' runs after the node a, which was left out",
        "c": "job template 't' runs after the node b, which was left out",
    }


def test_a_node_is_read() -> None:
    inventory = {"name": "i", "organization": None, "type": "inventory"}
    credential = {
        "name": "c",
        "organization": None,
        "credential_type": {"name": "Vault", "kind": "vault"},
        "type": "credential",
    }
    given: dict[str, Any] = {
        "identifier": "a",
        "unified_job_template": TEMPLATE,
        "all_parents_must_converge": True,
        "inventory": inventory,
        "execution_environment": None,
        "limit": "web",
        "job_tags": "",
        "verbosity": 0,
        "diff_mode": False,
        "forks": None,
        "extra_data": {"v": 1},
        "related": {
            "success_nodes": [{"identifier": "b", "type": "workflow_job_template_node"}],
            "failure_nodes": [],
            "credentials": [credential],
            "labels": [{"name": "l"}],
        },
        "natural_key": {"identifier": "a"},
    }
    assert read_node(given, "here") == ExportedNode(
        "a",
        KEY,
        True,
        {"success_nodes": ("b",), "failure_nodes": (), "always_nodes": ()},
        {"limit": "web", "verbosity": 0, "diff_mode": False},
        {"v": 1},
        {"inventory": Key("inventory", "i")},
        {"credentials": [Key("credential", "c", None, "vault")]},
        True,
    )


@pytest.mark.parametrize(
    ("given", "runs"),
    [
        pytest.param(
            {"related": {"create_approval_template": {"name": "Go?", "timeout": 0}}},
            Unknown("approval 'Go?': there are no approvals"),
            id="approval",
        ),
        pytest.param({}, Unknown("the export does not say what it runs"), id="nothing"),
        pytest.param({"unified_job_template": TEMPLATE}, KEY, id="job template"),
    ],
)
def test_what_a_node_runs(given: dict[str, Any], runs: object) -> None:
    assert read_node({"identifier": "a", **given}, "here").runs == runs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param("a", "here must be a mapping with an identifier.", id="text"),
        pytest.param({"name": "a"}, "here must be a mapping with an identifier.", id="no identifier"),
        pytest.param({"identifier": "a", "related": []}, None, id="no related"),
        pytest.param({"identifier": "a", "related": [1]}, "here.related must be a mapping", id="related"),
        pytest.param(
            {"identifier": "a", "related": {"success_nodes": ["b"]}},
            "here.related.success_nodes[0] must be a mapping with the identifier",
            id="a mere link",
        ),
        pytest.param(
            {"identifier": "a", "related": {"always_nodes": "b"}},
            "here.related.always_nodes must be a list",
            id="no list",
        ),
        pytest.param(
            {"identifier": "a", "extra_data": [1]}, "here.extra_data must be a mapping", id="extra_data"
        ),
    ],
)
def test_what_is_no_node_is_refused(given: object, message: str | None) -> None:
    if message is None:
        assert read_node(given, "here").identifier == "a"
        return
    with pytest.raises(Failure) as caught:
        read_node(given, "here")
    assert caught.value.message.startswith(message)
