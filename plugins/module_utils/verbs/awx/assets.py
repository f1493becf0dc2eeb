# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what awx.awx.export writes: which objects there are, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.fields import (
    WHY,
    Asset,
    Fields,
    LeftOut,
    listed,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import (
    Key,
    Unknown,
    own_key,
    read_key,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.kinds import readers

RESOURCES = {
    "organizations": "organization",
    "credentials": "credential",
    "execution_environments": "execution_environment",
    "instance_groups": "container_group",
    "projects": "project",
    "inventory": "inventory",
    "inventory_sources": "inventory_source",
    "job_templates": "job_template",
    "workflow_job_templates": "workflow_job_template",
}
"""Our kinds, by the names that an export has for them, in the order in which they need each other."""
WITHOUT = {
    "applications": ("application", "there are no applications: nothing here has an API that needs tokens"),
    "constructed_inventory": ("inventory", "there are no constructed inventories"),
    "credential_types": ("credential_type", "there are no credential types of one's own"),
    "labels": ("label", "there are no labels"),
    "notification_templates": ("notification_template", "there are no notifications"),
    "schedules": ("schedule", WHY["schedules"]),
    "teams": ("team", "there are no teams: who may use the store's key may do everything"),
    "users": ("user", "there are no users: who may use the store's key may do everything"),
}
"""What there is nothing for here: what it is called, and why it is left out."""


@dataclass
class Export:
    """What an export has in it.

    Attributes:
        assets: objects that can be stored, in their order. An organization is in it twice: before those that
            belong to it, and, with what it names, after them.
        left_out: what can't, in this order.
        gone: the keys of those that are left out as a whole.
    """

    assets: list[Asset] = field(default_factory=list)
    left_out: dict[LeftOut, None] = field(default_factory=dict)
    gone: set[Key] = field(default_factory=set)


def read_export(given: Mapping[str, Any], projects_root: str) -> Export:
    """Reads an export.

    Args:
        given: the assets by the names of their kinds.
        projects_root: the folder that AWX's manual projects lie in, here.

    Raises:
        Failure: `InvalidConfiguration`, where it is no export.
    """
    export = Export()
    found: dict[str, list[Asset]] = {}
    for resource, assets in given.items():
        if resource not in RESOURCES:
            _leave_all(export, resource, assets)
    for resource, kind in RESOURCES.items():
        found[kind] = _read_kind(export, resource, kind, given.get(resource), projects_root)
    organizations = found.pop("organization")
    bare = [Asset(asset.key, dict(asset.given)) for asset in organizations]
    projects = list(found).index("project")
    in_order = [*found.values()]
    in_order[-1] = _nested(in_order[-1])
    in_order[projects:projects] = [organizations]
    export.assets = [*bare, *(asset for assets in in_order for asset in assets)]
    return export


def _read_kind(export: Export, resource: str, kind: str, given: object, projects_root: str) -> list[Asset]:
    read = readers(projects_root)[kind]
    found: dict[Key, Asset] = {}
    for index, asset in enumerate(listed(given, f"assets.{resource}")):
        place = f"assets.{resource}[{index}]"
        if not isinstance(asset, Mapping) or not isinstance(asset.get("name"), str):
            raise _invalid(f"{place} must be a mapping with a name.")
        try:
            key = own_key(asset, kind, place)
        except Failure as failure:
            _note(export, LeftOut(kind, asset["name"], None, "", failure.message))
            continue
        if isinstance(key, Unknown):
            name, why = asset["name"], key.words.partition(": ")[2]
            _note(export, LeftOut(kind, name, _organization(asset, place), "", f"{why}."))
            continue
        if key in found or key in export.gone:
            why = "the export has another one of the same name, organization and kind."
            _note(export, LeftOut(kind, key.name, key.owner, "", why))
            continue
        try:
            fields = Fields(asset, key)
            _leave_schedules(export, fields)
            read(fields)
            found[key] = fields.done()
        except Failure as failure:
            _note(export, LeftOut(kind, key.name, key.owner, "", failure.message))
            export.gone.add(key)
    return list(found.values())


def _leave_all(export: Export, resource: str, given: object) -> None:
    """Notes that all objects of a kind are left out."""
    kind, why = WITHOUT.get(resource, (resource, "object_import knows nothing of this kind"))
    if resource not in WITHOUT and not isinstance(given, (list, tuple)):
        given = [{}] if given else []
    for index, asset in enumerate(listed(given, f"assets.{resource}")):
        place = f"assets.{resource}[{index}]"
        if not isinstance(asset, Mapping):
            raise _invalid(f"{place} must be a mapping.")
        name = str(asset.get("name") or asset.get("username") or asset.get("hostname") or "")
        owner = read_key(asset.get("unified_job_template"), place) if kind == "schedule" else None
        of_owner = f"of {_name_of(owner)}: " if owner is not None else ""
        _note(export, LeftOut(kind, name, _organization(asset, place), "", f"{of_owner}{why}."))


def _leave_schedules(export: Export, fields: Fields) -> None:
    """Notes the schedules of an object, which the export may also have in a list of their own."""
    key = fields.asset.key
    for name in fields.schedules:
        _note(export, LeftOut("schedule", name, None, "", f"of {key}: {WHY['schedules']}."))


def _note(export: Export, left_out: LeftOut) -> None:
    export.left_out[left_out] = None


def _name_of(owner: Key | Unknown) -> str:
    return str(owner) if isinstance(owner, Key) else owner.words.partition(": ")[0]


def _organization(asset: Mapping[str, Any], place: str) -> str | None:
    found = read_key(asset.get("organization"), f"{place}.organization")
    return found.name if isinstance(found, Key) else None


def _nested(workflows: Iterable[Asset]) -> list[Asset]:
    """Workflows in such an order that each comes after those that it runs."""
    left = {asset.key: asset for asset in workflows}
    ordered: list[Asset] = []

    def visit(asset: Asset) -> None:
        for node in asset.nodes:
            inner = left.pop(node.runs, None) if isinstance(node.runs, Key) else None
            if inner is not None:
                visit(inner)
        ordered.append(asset)

    while left:
        visit(left.pop(next(iter(left))))
    return ordered


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
