# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an export of AWX calls objects: natural keys, as awxkit writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import TYPES
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

KINDS_OF = {**{kind: kind for kind in KINDS}, "instance_group": "container_group"}
"""Our kinds, by the types of natural keys."""
AWX_KINDS = {
    "machine": "ssh",
    "vault": "vault",
    "source_control": "scm",
    "container_registry": "registry",
    "kubernetes_bearer_token": "kubernetes",
}
"""What AWX calls the kinds of those credential types that we have, too."""
NEVER_HERE = {
    "credential_type": "there are no credential types of one's own",
    "notification_template": "there are no notifications",
    "system_job_template": "there are no system jobs; cleanup_jobs is a module here",
    "team": "there are no teams",
    "user": "there are no users",
    "workflow_approval_template": "there are no approvals",
}


@dataclass(frozen=True)
class Key:
    """An object, named so that no other one is meant.

    Attributes:
        kind: ours.
        name: what it is called.
        organization: the name of its organization; None where it has none, or its name needs none.
        credential_type: of a credential, with our name.
        inventory: of an inventory source.
    """

    kind: str
    name: str
    organization: str | None = None
    credential_type: str = ""
    inventory: Key | None = None

    @property
    def owner(self) -> str | None:
        """The name of the organization that it is in, or its inventory is."""
        return self.inventory.organization if self.inventory is not None else self.organization

    def __str__(self) -> str:
        words = f"{KINDS[self.kind].words} {self.name!r}"
        if self.inventory is not None:
            return f"{words} of {self.inventory}"
        return f"{words} of organization {self.organization!r}" if self.organization is not None else words


@dataclass(frozen=True)
class Unknown:
    """An object that can't be stored here.

    Attributes:
        words: what it is called, and why it can't.
    """

    words: str

    def __str__(self) -> str:
        return self.words


Reference: TypeAlias = "Key | Unknown"


def read_key(natural: object, place: str) -> Reference | None:
    """The object that a natural key means.

    Args:
        natural: a mapping with `type`, `name` and what else the name is unique with; None for no object.
        place: where it stands, for messages.

    Raises:
        Failure: `InvalidConfiguration`, where it is no natural key.
    """
    if natural is None:
        return None
    if not isinstance(natural, Mapping) or not isinstance(natural.get("type"), str):
        raise _invalid(
            f"{place} must name an object as awx.awx.export does: a mapping with type, name, and mostly an"
            " organization."
        )
    kind = KINDS_OF.get(natural["type"])
    name = natural.get("username" if natural["type"] == "user" else "name")
    if kind is None:
        words = natural["type"].replace("_", " ")
        return Unknown(f"{words} {name!r}: {NEVER_HERE.get(natural['type'], 'there is no such kind here')}")
    if not isinstance(name, str):
        raise _invalid(f"{place} has no name.")
    scope = KINDS[kind].scope
    organization = _organization(natural, place) if "organization" in scope else None
    if kind == "credential":
        return _credential(name, organization, natural.get("credential_type"), place)
    if kind == "inventory_source":
        inventory = read_key(natural.get("inventory"), f"{place}.inventory")
        if not isinstance(inventory, Key):
            raise _invalid(f"{place} has no inventory.")
        return Key(kind, name, inventory=inventory)
    return Key(kind, name, organization)


def own_key(asset: Mapping[str, Any], kind: str, place: str) -> Reference:
    """What an asset is called itself: by its natural key, else by its own fields.

    Raises:
        Failure: `InvalidConfiguration`, where that can't be told.
    """
    awx_type = "instance_group" if kind == "container_group" else kind
    natural = asset.get("natural_key") or {**asset, "type": awx_type}
    found = read_key(natural, f"{place}.natural_key" if asset.get("natural_key") else place)
    if found is None or (isinstance(found, Key) and found.kind != kind):
        raise _invalid(f"{place} must be a {KINDS[kind].words}.")
    return found


def _organization(natural: Mapping[str, Any], place: str) -> str | None:
    found = read_key(natural.get("organization"), f"{place}.organization")
    if found is None:
        return None
    if not isinstance(found, Key) or found.kind != "organization":
        raise _invalid(f"{place}.organization must be an organization.")
    return found.name


def _credential(name: str, organization: str | None, given: object, place: str) -> Reference:
    """A credential, where its type is one of ours; one of somebody's own may be called like one of them."""
    if not isinstance(given, Mapping):
        raise _invalid(f"{place}.credential_type must be a mapping with name and kind.")
    for ours in TYPES.values():
        if given.get("name") == ours.awx_name and given.get("kind") in (None, AWX_KINDS[ours.name]):
            return Key("credential", name, organization, ours.name)
    where = "" if organization is None else f" of organization {organization!r}"
    return Unknown(f"credential {name!r}{where}: there are no credentials of type {given.get('name')!r} here")


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
