# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a workflow in an export of AWX, and which of them are left where some can't be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_text import (
    parsed_mapping,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.node_options import PROMPTS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import LINKS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import (
    Reference,
    Unknown,
    read_key,
)

Values = dict[str, Any]

OBJECTS = ("inventory", "execution_environment")
LISTS = ("credentials", "instance_groups")
APPROVAL = "create_approval_template"


@dataclass(frozen=True)
class ExportedNode:
    """A node.

    Attributes:
        identifier: unique within the workflow.
        runs: what it runs.
        converge: it runs only if all of its parents lead to it.
        links: identifiers of those that come after it, by the kind of the link.
        prompts: plain values that it prompts with.
        extra_data: variables that it prompts with.
        references: objects that it prompts with, by option.
        lists: lists of objects that it prompts with, by option.
        labelled: it has labels.
    """

    identifier: str
    runs: Reference
    converge: bool = False
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prompts: Values = field(default_factory=dict)
    extra_data: Values = field(default_factory=dict, repr=False)
    references: Mapping[str, Reference] = field(default_factory=dict)
    lists: Mapping[str, Sequence[Reference]] = field(default_factory=dict)
    labelled: bool = False

    @property
    def children(self) -> set[str]:
        """The identifiers of those that come after it."""
        return {child for links in self.links.values() for child in links}


@dataclass(frozen=True)
class Pruned:
    """A workflow without some of its nodes.

    Attributes:
        nodes: those that are left, with links to each other only.
        left_out: why the others are not, by their identifiers.
        fewer: nodes that are left, and a parent of theirs that is not.
    """

    nodes: list[ExportedNode]
    left_out: dict[str, str]
    fewer: dict[str, str]


def read_node(given: object, place: str) -> ExportedNode:
    """One node of an export.

    Raises:
        Failure: `InvalidConfiguration`, where it is none.
    """
    if not isinstance(given, Mapping) or not isinstance(given.get("identifier"), str):
        raise _invalid(f"{place} must be a mapping with an identifier.")
    related = given.get("related") or {}
    if not isinstance(related, Mapping):
        raise _invalid(f"{place}.related must be a mapping, but it is {kind_of(related)}.")
    references = {name: read_key(given.get(name), f"{place}.{name}") for name in OBJECTS}
    return ExportedNode(
        given["identifier"],
        _runs(given, related, place),
        bool(given.get("all_parents_must_converge")),
        {kind: _identifiers(related.get(kind), f"{place}.related.{kind}") for kind in LINKS},
        {name: given[name] for name in PROMPTS if given.get(name) not in (None, "")},
        dict(parsed_mapping(given.get("extra_data"), f"{place}.extra_data")),
        {name: reference for name, reference in references.items() if reference is not None},
        {name: _keys(related[name], f"{place}.related.{name}") for name in LISTS if related.get(name)},
        bool(related.get("labels")),
    )


def _runs(given: Mapping[str, Any], related: Mapping[str, Any], place: str) -> Reference:
    approval = related.get(APPROVAL)
    if isinstance(approval, Mapping):
        return Unknown(f"approval {approval.get('name')!r}: there are no approvals")
    found = read_key(given.get("unified_job_template"), f"{place}.unified_job_template")
    return Unknown("the export does not say what it runs") if found is None else found


def _identifiers(given: object, place: str) -> tuple[str, ...]:
    found = []
    for index, each in enumerate(_list(given, place)):
        identifier = each.get("identifier") if isinstance(each, Mapping) else None
        if not isinstance(identifier, str):
            raise _invalid(f"{place}[{index}] must be a mapping with the identifier of a node.")
        found.append(identifier)
    return tuple(found)


def _keys(given: object, place: str) -> list[Reference]:
    keys = [read_key(each, f"{place}[{index}]") for index, each in enumerate(_list(given, place))]
    return [key for key in keys if key is not None]


def _list(given: object, place: str) -> Sequence[Any]:
    if not isinstance(given or [], (list, tuple)):
        raise _invalid(f"{place} must be a list, but it is {kind_of(given)}.")
    return given or []  # type: ignore[return-value]


def prune(nodes: Sequence[ExportedNode], missing: Mapping[str, str]) -> Pruned:
    """Takes nodes out of a workflow, and with them those that may only run after them.

    What came after an approval must not become a beginning: a node goes with its parents where all of them
    go, and where it needs all of them, with any.

    Args:
        nodes: all of the workflow.
        missing: identifiers of those that can't be, and why not.
    """
    parents: dict[str, list[str]] = {node.identifier: [] for node in nodes}
    for node in nodes:
        for child in node.children:
            parents.setdefault(child, []).append(node.identifier)
    left_out = {node.identifier: missing[node.identifier] for node in nodes if node.identifier in missing}
    grown = True
    while grown:
        grown = False
        for node in nodes:
            gone = [parent for parent in parents[node.identifier] if parent in left_out]
            every = len(gone) == len(parents[node.identifier])
            if node.identifier not in left_out and gone and (every or node.converge):
                left_out[node.identifier] = f"{node.runs} runs after the node {gone[0]}, which was left out"
                grown = True
    kept = [node for node in nodes if node.identifier not in left_out]
    names = {node.identifier for node in kept}
    fewer = {
        node.identifier: gone[0]
        for node in kept
        if (gone := [parent for parent in parents[node.identifier] if parent in left_out])
    }
    linked = [
        replace(
            node,
            links={
                kind: tuple(child for child in children if child in names)
                for kind, children in node.links.items()
            },
        )
        for node in kept
    ]
    return Pruned(linked, left_out, fewer)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
