# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `workflow_nodes`: one node as a user gives it, with awx.awx's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.lookup import Lookup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.node_prompts import (
    ask,
    survey_of,
    unasked,
    unasked_variables,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import (
    inventories,
    inventory_sources,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.surveys import (
    KEPT,
    read_answers,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.workflow import LINKS, Node
from ansible_collections.jobpods.controller.plugins.module_utils.failures import (
    Failure,
    did_you_mean,
    kind_of,
)
from sqlalchemy import Connection, select

OPTION = "workflow_nodes"
RUNS = ("job_template", "project", "inventory_source", "workflow_job_template")
"""Kinds of what a node can run."""
REFUSED = {
    "workflow_approval": "approval nodes are not supported; leave the node out, and link its parents to what"
    " comes after it",
    "system_job_template": "system jobs are not supported; cleanup_jobs is a module here",
}
TEXTS = ("job_type", "job_tags", "skip_tags", "limit", "scm_branch")
NUMBERS = {
    "verbosity": (0, 5),
    "forks": (0, 1000),
    "timeout": (0, 30 * 24 * 3600),
    "job_slice_count": (1, 1000),
}
PROMPTS = (*TEXTS, *NUMBERS, "diff_mode")
RELATED = (*LINKS, "credentials", "instance_groups")
FIELDS = (
    "identifier",
    "state",
    "unified_job_template",
    "all_parents_must_converge",
    "inventory",
    "execution_environment",
    "extra_data",
    *PROMPTS,
    "credentials",
    "instance_groups",
    "related",
)
TARGET_FIELDS = ("name", "type", "organization", "inventory", "description", "timeout")
"""The last two are for approval nodes in awx.awx, and are not read."""
Values = dict[str, Any]


@dataclass(frozen=True)
class StoredNode:
    """A node of a workflow job template.

    Attributes:
        identifier: unique within the template.
        runs: the kind of what it runs, one of `RUNS`.
        target_id: of what it runs.
        all_parents_must_converge: it runs only if all of its parents lead to it.
        success_nodes: identifiers of those that run after it was successful.
        failure_nodes: of those that run after it was not.
        always_nodes: of those that run after it, however it ended.
        inventory: id, to prompt with; None for no prompt.
        execution_environment: likewise.
        credentials: ids, to prompt with; empty for no prompt.
        instance_groups: likewise.
        prompts: the other prompts that are set, with the names of `PROMPTS`.
        extra_data: variables to prompt with, and answers to a survey; may have secrets in it.
    """

    identifier: str
    runs: str
    target_id: int
    all_parents_must_converge: bool = False
    success_nodes: tuple[str, ...] = ()
    failure_nodes: tuple[str, ...] = ()
    always_nodes: tuple[str, ...] = ()
    inventory: int | None = None
    execution_environment: int | None = None
    credentials: tuple[int, ...] = ()
    instance_groups: tuple[int, ...] = ()
    prompts: Values = field(default_factory=dict)
    extra_data: Values = field(default_factory=dict, repr=False)

    @property
    def node(self) -> Node:
        """The node as the rules of workflows know it."""
        return Node(
            self.identifier,
            self.success_nodes,
            self.failure_nodes,
            self.always_nodes,
            self.all_parents_must_converge,
        )


def read_identifier(given: object, place: str) -> str:
    """The identifier of a node, whose fields are checked to be known ones.

    Args:
        given: the node.
        place: for messages.

    Raises:
        Failure: `InvalidConfiguration`.
    """
    if not isinstance(given, Mapping):
        raise invalid(f"{place} must be a mapping with {', '.join(FIELDS)}.")
    identifier = given.get("identifier")
    if not isinstance(identifier, str) or not identifier.strip() or len(identifier) > 512:
        raise invalid(f"{place}.identifier is missing; it must be a text of at most 512 characters.")
    _check_keys(given, FIELDS, f"{place} ({identifier})")
    state = given.get("state")
    if state not in (None, "present", "absent"):
        raise invalid(f"{place} ({identifier}).state is {state!r}; it must be present or absent.")
    return identifier


class NodeReader:
    """Reads nodes, in a transaction that knows what they refer to."""

    def __init__(self, connection: Connection, values_of: Callable[[str, int], Values]) -> None:
        """Takes what to look in.

        Args:
            connection: of the transaction.
            values_of: the values of a stored object, by its kind and id.
        """
        self._connection = connection
        self._lookup = Lookup(connection)
        self._values_of = values_of

    def read(
        self, given: Mapping[str, Any], place: str, base: StoredNode | None, known: Mapping[str, Any]
    ) -> StoredNode:
        """One node as it shall be; what is not given, or null, stays as it is.

        Args:
            given: with an identifier that `read_identifier` has accepted.
            place: for messages.
            base: what it starts from; None for a new one.
            known: the `extra_data` that it has, from which passwords that are not shown are taken.

        Raises:
            Failure: `InvalidConfiguration`, which names the node and the field.
        """
        where = f"{place} ({given['identifier']})"
        given = {name: value for name, value in given.items() if value is not None}
        node = self._target(given.get("unified_job_template"), where, given["identifier"], base)
        fields: Values = {"prompts": {**node.prompts, **self._prompts(given, where)}}
        fields["prompts"] = {name: value for name, value in fields["prompts"].items() if value is not None}
        if "all_parents_must_converge" in given:
            fields["all_parents_must_converge"] = _truth(given, "all_parents_must_converge", where)
        for option, kind in (("inventory", "inventory"), ("execution_environment", "execution_environment")):
            if option in given:
                fields[option] = self._found(kind, given[option], f"{where}.{option}")
        if "extra_data" in given:
            fields["extra_data"] = _extra_data(given["extra_data"], f"{where}.extra_data", known)
        node = replace(node, **fields, **self._related(given, where))
        self._check_prompts(node, where)
        return node

    # -- what it runs --

    def _target(self, given: object, where: str, identifier: str, base: StoredNode | None) -> StoredNode:
        where += ".unified_job_template"
        if given is None and base is not None:
            return base
        if not isinstance(given, Mapping):
            what = "is missing" if given is None else f"must be a mapping, but it is {kind_of(given)}"
            raise invalid(f"{where} {what}; give name and type, one of {', '.join(RUNS)}.")
        _check_keys(given, TARGET_FIELDS, where)
        kind = given.get("type")
        if kind in REFUSED:
            raise invalid(f"{where}.type is {kind}: {REFUSED[kind]}.")
        if kind not in RUNS:
            what = "missing" if kind is None else repr(kind)
            raise invalid(f"{where}.type is {what}; it must be one of {', '.join(RUNS)}.")
        if given.get("name") in (None, ""):
            raise invalid(f"{where}.name is missing.")
        if kind == "inventory_source":
            number = self._source(given["name"], given.get("inventory"), where)
        else:
            number = self._found(kind, given, where) or 0
        if base is None:
            return StoredNode(identifier, kind, number)
        return replace(base, runs=kind, target_id=number)

    def _source(self, name: object, inventory: object, where: str) -> int:
        """An inventory source, which is only unique within its inventory."""
        if isinstance(inventory, Mapping) and not inventory.get("name"):
            organization = self._organization(
                inventory.get("organization"), f"{where}.inventory.organization"
            )
            if organization is not None:
                return self._source_in(name, organization, where)
            inventory = None
        kind = KINDS["inventory_source"]
        if inventory in (None, ""):
            return int(self._lookup.get(kind, name, f"{where}.name").id)
        number = self._found("inventory", inventory, f"{where}.inventory")
        row = self._lookup.find(kind, name, {"inventory_id": number})
        if row is None:
            raise invalid(f"{where}.name: there is no inventory source {name!r} in this inventory.")
        return int(row.id)

    def _source_in(self, name: object, organization: int, where: str) -> int:
        statement = (
            select(inventory_sources.c.id)
            .join(inventories, inventories.c.id == inventory_sources.c.inventory_id)
            .where(inventory_sources.c.name == str(name), inventories.c.organization_id == organization)
        )
        found = self._connection.execute(statement).scalars().all()
        if len(found) != 1:
            raise invalid(
                f"{where}.name: there are {len(found)} inventory sources {name!r} in inventories of this"
                " organization; give the inventory's name, too."
            )
        return int(found[0])

    def _found(self, kind: str, given: object, where: str) -> int | None:
        """The id of what is called by a name, an id, or `{name, organization}`; None where that is empty."""
        organization = None
        if isinstance(given, Mapping):
            organization = self._organization(given.get("organization"), f"{where}.organization")
            given = given.get("name")
            where += ".name"
        if given in (None, ""):
            return None
        return int(self._lookup.get(KINDS[kind], given, where, organization).id)

    def _organization(self, given: object, where: str) -> int | None:
        return self._found("organization", given, where)

    # -- what it prompts with, and what comes after it --

    def _prompts(self, given: Mapping[str, Any], where: str) -> Values:
        """The prompts that are given; None for those that shall be no more."""
        read: Values = {}
        for name in PROMPTS:
            if name not in given:
                continue
            if given[name] == "":
                read[name] = None
            elif name in TEXTS:
                read[name] = _text(given, name, where)
            elif name in NUMBERS:
                read[name] = _number(given, name, where)
            else:
                read[name] = _truth(given, name, where)
        if read.get("job_type") not in (None, "run", "check"):
            raise invalid(f"{where}.job_type is {read['job_type']!r}; it must be run or check.")
        return read

    def _related(self, given: Mapping[str, Any], where: str) -> Values:
        """Links and lists that are given; they replace those that there are."""
        related = given.get("related") or {}
        if not isinstance(related, Mapping):
            raise invalid(f"{where}.related must be a mapping with {', '.join(RELATED)}.")
        if related.get("labels"):
            raise invalid(f"{where}.related.labels: labels are not supported.")
        _check_keys(related, (*RELATED, "labels"), f"{where}.related")
        read: Values = {}
        for name in RELATED:
            place = f"{where}.related.{name}"
            items = related.get(name)
            if items is None:
                items, place = given.get(name), f"{where}.{name}"
            if items is None:
                continue
            if not isinstance(items, (list, tuple)):
                raise invalid(f"{place} must be a list, but it is {kind_of(items)}.")
            read[name] = tuple(
                self._item(name, item, f"{place}[{index}]") for index, item in enumerate(items)
            )
        return read

    def _item(self, name: str, item: object, place: str) -> object:
        if name in LINKS:
            identifier = item.get("identifier") if isinstance(item, Mapping) else item
            if not isinstance(identifier, str):
                raise invalid(f"{place} must be a mapping with the identifier of a node.")
            return identifier
        number = self._found("credential" if name == "credentials" else "container_group", item, place)
        if number is None:
            raise invalid(f"{place}.name is missing.")
        return number

    def _check_prompts(self, node: StoredNode, where: str) -> None:
        """Refuses prompts that what the node runs does not ask for, as AWX does."""
        target = self._values_of(node.runs, node.target_id)
        name = f"{KINDS[node.runs].words} that it runs"
        for option in unasked(target, set_prompts(node)):
            hint = f"; set {ask(option)} there" if ask(option) in target else ""
            raise invalid(f"{where}.{option}: the {name} does not ask for it on launch{hint}.")
        others = unasked_variables(target, node.extra_data)
        if others:
            raise invalid(
                f"{where}.extra_data: the {name} does not ask for {', '.join(others)} on launch, neither by"
                " ask_variables_on_launch nor in a survey."
            )
        if not node.extra_data:
            return
        survey = survey_of(target)
        given = [question for question in survey.get("spec", ()) if question["variable"] in node.extra_data]
        try:
            read_answers({"spec": given}, node.extra_data)
        except Failure as failure:
            raise invalid(f"{where}.extra_data: {failure.message}") from failure


def set_prompts(node: StoredNode) -> Values:
    """All prompts of a node but its variables, by the options of a job template; lists are lists of ids."""
    objects: Values = {
        "inventory": node.inventory,
        "execution_environment": node.execution_environment,
        "credentials": list(node.credentials),
        "instance_groups": list(node.instance_groups),
    }
    return {**node.prompts, **{option: value for option, value in objects.items() if value}}


def _extra_data(given: object, where: str, known: Mapping[str, Any]) -> Values:
    if not isinstance(given, Mapping):
        raise invalid(f"{where} must be a mapping, but it is {kind_of(given)}.")
    read = dict(given)
    for name, value in given.items():
        if value == KEPT:
            if name not in known:
                raise invalid(f"{where}.{name} is {KEPT}, which stands for what is stored; nothing is.")
            read[name] = known[name]
    return read


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name, value in given.items():
        if name not in known and value is not None:
            close = did_you_mean(str(name), known)
            instead = f"did you mean {close}?" if close else f"it has {', '.join(known)}."
            if name in LINKS and "related" in known:
                instead = "that belongs into related."
            raise invalid(f"{where} has {name!r}; {instead}")


def _text(given: Mapping[str, Any], name: str, where: str) -> str:
    if not isinstance(given[name], str):
        raise invalid(f"{where}.{name} must be text, but it is {kind_of(given[name])}.")
    return str(given[name])


def _number(given: Mapping[str, Any], name: str, where: str) -> int:
    """A number, also from a text: awx.awx has texts for verbosity."""
    value, (least, most) = given[name], NUMBERS[name]
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(f"{where}.{name} is {given[name]!r}; it must be a whole number from {least} to {most}.")
    return value


def _truth(given: Mapping[str, Any], name: str, where: str) -> bool:
    if not isinstance(given[name], bool):
        raise invalid(f"{where}.{name} is {given[name]!r}; it must be true or false.")
    return given[name] is True


def invalid(message: str) -> Failure:
    """The failure of an option that is wrong."""
    return Failure("InvalidConfiguration", message)
