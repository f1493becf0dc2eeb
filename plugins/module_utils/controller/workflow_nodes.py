# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of workflow job templates in the store: what they shall be, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import (
    KINDS,
    NODE_LISTS,
    NODE_REFERENCES,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.node_options import (
    OPTION,
    PROMPTS,
    NodeReader,
    StoredNode,
    Values,
    invalid,
    read_identifier,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.node_prompts import (
    hidden_variables,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    workflow_nodes,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import (
    LINKS,
    check_graph,
    find_cycle,
)
from sqlalchemy import Connection, Row, delete, insert, select, update

__all__ = ["OPTION", "StoredNode", "WorkflowNodes", "nodes_of"]

_TARGETS = {kind: f"{option}_id" for option, kind in list(NODE_REFERENCES.items())[:4]}
"""The columns of what a node runs, by its kind."""
_OBJECTS = ("inventory", "execution_environment")


def nodes_of(connection: Connection, box: SecretBox, template_id: int) -> list[StoredNode]:
    """The nodes of a workflow job template, in their order."""
    mine = workflow_nodes.c.workflow_job_template_id == template_id
    lists: dict[str, dict[int, list[int]]] = {}
    for option, listed in NODE_LISTS.items():
        table = listed.table
        members = select(table.c.owner_id, table.c.target_id).join(
            workflow_nodes, workflow_nodes.c.id == table.c.owner_id
        )
        found = lists.setdefault(option, {})
        for row in connection.execute(members.where(mine).order_by(table.c.position)):
            found.setdefault(row.owner_id, []).append(row.target_id)
    rows = connection.execute(select(workflow_nodes).where(mine).order_by(workflow_nodes.c.position))
    return [
        _node(row, box, {option: tuple(found.get(row.id, ())) for option, found in lists.items()})
        for row in rows
    ]


def _node(row: Row[Any], box: SecretBox, lists: Mapping[str, tuple[int, ...]]) -> StoredNode:
    columns, settings = row._mapping, row.settings
    runs = next(kind for kind, column in _TARGETS.items() if columns[column] is not None)
    others: Values = {
        **{kind: tuple(settings[kind]) for kind in LINKS},
        **{option: columns[f"{option}_id"] for option in _OBJECTS},
        **lists,
    }
    return StoredNode(
        row.identifier,
        runs,
        columns[_TARGETS[runs]],
        all_parents_must_converge=settings["all_parents_must_converge"],
        **others,
        prompts={name: settings[name] for name in PROMPTS if name in settings},
        extra_data=box.open(row.sealed)["extra_data"] if row.sealed else {},
    )


class WorkflowNodes:
    """The nodes of workflow job templates, in one transaction."""

    def __init__(
        self, connection: Connection, box: SecretBox, values_of: Callable[[str, int], Values], hidden: str
    ) -> None:
        """Takes what to work with.

        Args:
            connection: of the transaction.
            box: for secrets.
            values_of: the values of a stored object, by its kind and id.
            hidden: what is shown in place of a secret.
        """
        self._connection = connection
        self._box = box
        self._values_of = values_of
        self._hidden = hidden
        self._names: dict[tuple[str, int], Values] = {}

    def of(self, template_id: int) -> list[StoredNode]:
        """The nodes of a template, in their order."""
        return nodes_of(self._connection, self._box, template_id)

    # -- what they shall be --

    def wanted(
        self,
        template_id: int | None,
        before: Sequence[StoredNode],
        given: Sequence[Mapping[str, Any]] | None,
        *,
        destroy: bool = False,
    ) -> list[StoredNode]:
        """The nodes of a template as they shall be; nothing is written.

        Args:
            template_id: the template's; None for a new one.
            before: the nodes that it has, or of the one that it is a copy of.
            given: the option: nodes to add, to change, or to remove by `state: absent`. None for none.
            destroy: nodes that are not given are removed, and the others start from nothing.

        Raises:
            Failure: `InvalidConfiguration`, which names the node and the field.
        """
        listed = self._identified(given or ())
        absent = {name for name, (_place, node) in listed.items() if node.get("state") == "absent"}
        known = {node.identifier: node for node in before}
        kept = {} if destroy else _without(known, absent)
        reader = NodeReader(self._connection, self._values_of)
        for name, (place, node) in listed.items():
            if name not in absent:
                secrets = known[name].extra_data if name in known else {}
                kept[name] = reader.read(node, place, kept.get(name), secrets)
        nodes = list(kept.values())
        check_graph([node.node for node in nodes])
        if template_id is not None:
            self._check_nesting(template_id, nodes)
        return nodes

    def _identified(self, given: Sequence[object]) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """Given nodes with their places, by their identifiers."""
        listed: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for index, node in enumerate(given):
            place = f"{OPTION}[{index}]"
            identifier = read_identifier(node, place)
            if identifier in listed:
                raise invalid(f"{place} has the identifier {identifier!r}, as {listed[identifier][0]} has.")
            listed[identifier] = (place, node)  # type: ignore[assignment]
        return listed

    def _check_nesting(self, template_id: int, nodes: Sequence[StoredNode]) -> None:
        def inner(number: int) -> list[int]:
            if number == template_id:
                return [node.target_id for node in nodes if node.runs == "workflow_job_template"]
            runs = select(workflow_nodes.c.workflow_id).where(
                workflow_nodes.c.workflow_job_template_id == number, workflow_nodes.c.workflow_id.is_not(None)
            )
            return list(self._connection.execute(runs).scalars())

        cycle = find_cycle([template_id], inner)
        if cycle:
            names = [self._called("workflow_job_template", number)["name"] for number in cycle]
            raise invalid(f"{OPTION}: the workflow would run itself: {' -> '.join(names)}.")

    # -- writing --

    def write(self, template_id: int, nodes: Sequence[StoredNode]) -> None:
        """Makes the stored nodes of a template those; what is the same already stays untouched."""
        table = workflow_nodes
        mine = table.c.workflow_job_template_id == template_id
        before = self.of(template_id)
        names = [node.identifier for node in nodes]
        self._connection.execute(delete(table).where(mine, table.c.identifier.not_in(names)))
        for position, node in enumerate(nodes):
            same_name = mine & (table.c.identifier == node.identifier)
            row = {**self._row(node), "position": position}
            if node.identifier not in [known.identifier for known in before]:
                row["workflow_job_template_id"] = template_id
                self._connection.execute(insert(table).values(row))
            elif before[position : position + 1] == [node]:
                continue
            else:
                self._connection.execute(update(table).where(same_name).values(row))
            number = self._connection.execute(select(table.c.id).where(same_name)).scalar_one()
            for option, listed in NODE_LISTS.items():
                listed.write(self._connection, number, getattr(node, option))

    def _row(self, node: StoredNode) -> Values:
        settings = {kind: list(getattr(node, kind)) for kind in LINKS}
        return {
            "identifier": node.identifier,
            **dict.fromkeys(_TARGETS.values()),
            _TARGETS[node.runs]: node.target_id,
            **{f"{option}_id": getattr(node, option) for option in _OBJECTS},
            "settings": {
                **settings,
                "all_parents_must_converge": node.all_parents_must_converge,
                **node.prompts,
            },
            "sealed": self._box.seal({"extra_data": node.extra_data}) if node.extra_data else None,
        }

    # -- showing --

    def shown(self, nodes: Sequence[StoredNode]) -> list[Values]:
        """Nodes as users see them, in the form in which they can be given; without secrets."""
        return [self._shown(node) for node in nodes]

    def _shown(self, node: StoredNode) -> Values:
        shown: Values = {
            "identifier": node.identifier,
            "unified_job_template": {**self._called(node.runs, node.target_id), "type": node.runs},
            "all_parents_must_converge": node.all_parents_must_converge,
            **node.prompts,
        }
        for option in _OBJECTS:
            if getattr(node, option) is not None:
                shown[option] = self._called(option, getattr(node, option))
        if node.extra_data:
            hidden = hidden_variables(self._values_of(node.runs, node.target_id))
            shown["extra_data"] = {
                name: self._hidden if name in hidden else value for name, value in node.extra_data.items()
            }
        shown["related"] = {
            **{kind: [{"identifier": name} for name in getattr(node, kind)] for kind in LINKS},
            **{
                option: [self._called(listed.kind, number) for number in getattr(node, option)]
                for option, listed in NODE_LISTS.items()
            },
        }
        return shown

    def _called(self, kind: str, number: int) -> Values:
        """An object as a node names it: with the organization or inventory that its name is unique in."""
        if (kind, number) not in self._names:
            table = KINDS[kind].table
            row = self._connection.execute(select(table).where(table.c.id == number)).one()._mapping
            called: Values = {"name": row["name"]}
            for scope in ("organization", "inventory"):
                if scope in KINDS[kind].scope and row[f"{scope}_id"] is not None:
                    called[scope] = self._called(scope, row[f"{scope}_id"])
            self._names[kind, number] = called
        return self._names[kind, number]


def _without(nodes: Mapping[str, StoredNode], absent: set[str]) -> dict[str, StoredNode]:
    """Nodes but for some of them, and without links to these."""

    def links(node: StoredNode) -> Values:
        return {kind: tuple(child for child in getattr(node, kind) if child not in absent) for kind in LINKS}

    return {name: replace(node, **links(node)) for name, node in nodes.items() if name not in absent}
