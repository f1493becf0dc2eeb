# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the objects of an export of AWX: each where what it needs is there, else it is told why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import TYPES
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.node_prompts import (
    unasked,
    unasked_variables,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Change,
    ObjectEditor,
    StoredObject,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.assets import Export
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.fields import Asset, LeftOut
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key, Reference, Unknown
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.secrets import (
    ABSENT,
    Notes,
    Secrets,
    survey_with_secrets,
    variables_with_secrets,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.workflows import (
    LISTS,
    ExportedNode,
    prune,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.object_checks import (
    check_values,
    read_given,
)

Values = dict[str, Any]

GROUPS = "instance_groups"


class _Impossible(Exception):
    """An object can't be stored; the message tells why."""


@dataclass
class Imported:
    """What came of an import.

    Attributes:
        changes: what was done to each object.
        left_out: what was not imported, and why not, in this order.
    """

    changes: dict[Key, Change] = field(default_factory=dict)
    left_out: dict[LeftOut, None] = field(default_factory=dict)


class Importer:
    """Imports one export."""

    def __init__(self, export: Export, secrets: Secrets, editor: ObjectEditor, folder: Path) -> None:
        """Takes what to work with.

        Args:
            export: what to import.
            secrets: what it lacks.
            editor: of the store.
            folder: relative paths start here.
        """
        self._export = export
        self._secrets = secrets
        self._editor = editor
        self._folder = folder
        self._gone = set(export.gone)
        self._ids: dict[Key, int] = {}
        self._groupless: set[Key] = set()  # that have groups in the export, but can have none of them
        self._imported = Imported(left_out=dict(export.left_out))

    def run(self) -> Imported:
        """Makes all objects that can be made."""
        for asset in self._export.assets:
            try:
                self._make(asset)
            except _Impossible as impossible:
                self._gone.add(asset.key)
                self._leave(asset.key, "", str(impossible))
        return self._imported

    def _make(self, asset: Asset) -> None:
        key = asset.key
        if key in self._gone:
            return
        if key.name.isdecimal():
            raise _Impossible("its name is a number, which would be taken for an id here.")
        scope = self._scope(key)
        notes = list(asset.left_out)
        given = {
            **asset.given,
            **{option: "" if value is None else value for option, value in scope.items()},
        }
        stored = self._editor.find(key.kind, key.name, scope)
        given.update(self._references(asset, stored, notes))
        self._check_groups(asset, given, stored, notes)
        self._fill_in(key, given, stored, notes)
        nodes = self._nodes(asset, stored, notes) if key.kind == "workflow_job_template" else None
        given = read_given(key.kind, given, self._folder)
        wanted = Wanted(key.name, given, nodes=nodes, destroy_nodes=nodes is not None)
        done = self._editor.save(key.kind, wanted, partial(check_values, key.kind))
        if isinstance(done, Failure):
            raise _Impossible(done.message)
        self._note(key, done)
        for option, why in notes:
            self._leave(key, option, why)

    def _fill_in(self, key: Key, given: Values, stored: StoredObject | None, notes: Notes) -> None:
        """Puts secrets, which the export has not, into the options of an object."""
        missing: Notes = []
        if key.kind == "credential":
            given["inputs"], missing = self._secrets.inputs(key, given["inputs"], stored)
            for name, rule in TYPES[key.credential_type].inputs.items():
                if rule.required and rule.secret and name not in given["inputs"]:
                    raise _Impossible(f"inputs.{name} is missing: {ABSENT}.")
        elif given.get("survey_spec"):
            given["survey_spec"], missing = survey_with_secrets(given["survey_spec"], stored)
        notes += missing

    def _note(self, key: Key, done: Change) -> None:
        """Notes what was done; an organization is saved twice."""
        before = self._imported.changes.get(key)
        if before is not None:
            options = tuple(sorted({*before.options, *done.options}))
            done = Change(done.id, done.name, before.before, done.after, options)
        self._imported.changes[key] = done
        if done.id is not None:
            self._ids[key] = done.id

    def _leave(self, key: Key, option: str, why: str) -> None:
        sentence = why if why.endswith(".") else f"{why}."
        self._imported.left_out[LeftOut(key.kind, key.name, key.owner, option, sentence)] = None

    # -- what it names --

    def _scope(self, key: Key) -> Values:
        """The options that an object's name is unique with."""
        scope: Values = {}
        for option in KINDS[key.kind].scope:
            if option == "credential_type":
                scope[option] = key.credential_type
            elif option == "inventory":
                scope[option] = self._needed(key.inventory)
            else:
                owner = None if key.organization is None else Key("organization", key.organization)
                scope[option] = None if owner is None else self._needed(owner)
        return scope

    def _needed(self, reference: Reference | None) -> int:
        if reference is None:
            raise _Impossible("it does not say what it belongs to.")
        number = self._id_of(reference)
        if number is None:
            raise _Impossible(f"{self._trouble(reference)}.")
        return number

    def _id_of(self, reference: Reference) -> int | None:
        """The id of a stored object; None where there is none."""
        if isinstance(reference, Unknown):
            return None
        if reference not in self._ids:
            try:
                found = self._editor.find(reference.kind, reference.name, self._scope(reference))
            except _Impossible:
                found = None
            if found is None:
                return None
            self._ids[reference] = found.id
        return self._ids[reference]

    def _trouble(self, reference: Reference) -> str:
        if isinstance(reference, Unknown):
            return str(reference)
        left_out = reference in self._gone
        return f"{reference} {'was left out' if left_out else 'is neither in the export nor stored'}"

    def _references(self, asset: Asset, stored: StoredObject | None, notes: Notes) -> Values:
        """Options that name other objects, with ids; those that can't be had are noted."""
        given: Values = {}
        for option, reference in asset.references.items():
            number = self._id_of(reference)
            if number is not None:
                given[option] = number
            elif option in asset.needed:
                raise _Impossible(f"its {option}: {self._trouble(reference)}.")
            else:
                notes.append((option, self._trouble(reference)))
        for option, listed in asset.lists.items():
            before = stored.values[option] if stored is not None else ()
            given[option] = self._list(option, listed, before, notes)
        return given

    def _list(self, option: str, listed: list[Reference], before: Sequence[int], notes: Notes) -> list[int]:
        """The ids of what an option lists; where some can't be had, those stay that it lists already."""
        references = list(dict.fromkeys(listed))
        found = {reference: self._id_of(reference) for reference in references}
        missing = [reference for reference in references if found[reference] is None]
        notes += [(option, self._trouble(reference)) for reference in missing]
        had = [number for number in found.values() if number is not None]
        if not missing:
            return had
        kept = [number for number in before if number not in had]
        if option == "credentials":  # of each kind there is one
            kinds = [self._kind_of(number) for number in had]
            kept = [number for number in kept if self._kind_of(number) not in kinds]
        return [*had, *kept]

    def _kind_of(self, credential: int) -> tuple[str, str]:
        values = self._editor.by_id("credential", credential).values
        return values["credential_type"], str(values["inputs"].get("vault_id") or "")

    def _check_groups(self, asset: Asset, given: Values, stored: StoredObject | None, notes: Notes) -> None:
        """Leaves a template out that has container groups in AWX, of which there are none here.

        Without them it would run in the group default, or even on the controller.
        """
        key = asset.key
        if given.get(GROUPS) or (GROUPS not in given and stored is not None and stored.values.get(GROUPS)):
            return
        if key.kind == "job_template":
            owner = self._groupless_owner(asset)
            if owner is not None:
                whose = "its instance_groups" if owner == key else f"the instance_groups of {owner}"
                raise _Impossible(
                    f"none of {whose} can be had, and without them it would run elsewhere than in AWX,"
                    " perhaps even on the controller."
                )
        elif asset.lists.get(GROUPS):
            self._groupless.add(key)
            notes.append((GROUPS, "none of them can be had, so templates that run in them are left out"))

    def _groupless_owner(self, asset: Asset) -> Reference | None:
        """What has the groups in AWX that a template would run in, but none of them here; None if nothing."""
        if asset.lists.get(GROUPS):
            return asset.key
        organization = asset.key.organization
        owners: list[Reference | None] = [asset.references.get("inventory")]
        owners.append(Key("organization", organization) if organization is not None else None)
        for owner in owners:
            if owner in self._groupless:
                return owner
            number = self._id_of(owner) if isinstance(owner, Key) else None
            if isinstance(owner, Key) and number and self._editor.by_id(owner.kind, number).values[GROUPS]:
                return None
        return None

    # -- workflows --

    def _nodes(self, asset: Asset, stored: StoredObject | None, notes: Notes) -> list[Mapping[str, Any]]:
        """The nodes of a workflow as they can be stored."""
        missing = {
            node.identifier: self._trouble(node.runs)
            for node in asset.nodes
            if self._id_of(node.runs) is None
        }
        pruned = prune(asset.nodes, missing)
        notes += [(f"workflow_nodes: {name}", why) for name, why in pruned.left_out.items()]
        if asset.nodes and not pruned.nodes:
            whys = "; ".join(dict.fromkeys(pruned.left_out.values()))
            raise _Impossible(f"none of its nodes can be had: {whys}.")
        for name, parent in pruned.fewer.items():
            why = f"it also came after the node {parent}, which was left out"
            notes.append((f"workflow_nodes: {name}", why))
        return [self._node(node, stored, notes) for node in pruned.nodes]

    def _node(self, node: ExportedNode, stored: StoredObject | None, notes: Notes) -> Values:
        where = f"workflow_nodes: {node.identifier}"
        related: Values = {
            kind: [{"identifier": name} for name in names] for kind, names in node.links.items()
        }
        nodes = stored.values["workflow_nodes"] if stored is not None else ()
        known = next((each for each in nodes if each.identifier == node.identifier), None)
        for option, listed in node.lists.items():
            mine: Notes = []
            related[option] = self._list(option, list(listed), getattr(known, option, ()), mine)
            notes += [(f"{where}: {name}", why) for name, why in mine]
        given: Values = {}
        for option, reference in node.references.items():
            given[option] = self._id_of(reference)
            if given[option] is None:
                notes.append((f"{where}: {option}", self._trouble(reference)))
        variables, missing = variables_with_secrets(node.identifier, node.extra_data, stored)
        notes += missing
        if node.labelled:
            notes.append((f"{where}: labels", "there are no labels"))
        kind = node.runs.kind if isinstance(node.runs, Key) else ""
        number = self._id_of(node.runs)
        prompts = {**node.prompts, **given}
        if number is not None:
            target = self._editor.by_id(kind, number).values
            mine = _without_unasked(target, KINDS[kind].words, (prompts, related, variables))
            notes += [(f"{where}: {name}", why) for name, why in mine]
        return {
            **prompts,
            "identifier": node.identifier,
            "unified_job_template": {"name": number, "type": kind},
            "all_parents_must_converge": node.converge,
            "extra_data": variables,
            "related": related,
        }


def _without_unasked(target: Values, words: str, said: tuple[Values, Values, Values]) -> Notes:
    """Takes out what a node prompts with and what it runs does not ask for: AWX keeps it, but ignores it.

    Args:
        target: values of what it runs.
        words: what that is.
        said: the node's prompts, its `related` and its variables.
    """
    prompts, related, variables = said
    lists = {option: related[option] for option in LISTS if related.get(option)}
    set_ones = {option: value for option, value in prompts.items() if value is not None}
    notes: Notes = []
    why = f"the {words} that it runs does not ask for it on launch, so AWX ignores it, too"
    for option in unasked(target, {**set_ones, **lists}):
        (related if option in lists else prompts).pop(option)
        notes.append((option, why))
    for name in unasked_variables(target, variables):
        variables.pop(name)
        notes.append((f"extra_data.{name}", why))
    return notes
