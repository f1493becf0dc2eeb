# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch is defined by, as one flat mapping, and what the names in it refer to.

Stored objects are in a *definition* by their ids, so that it can be kept with the job, and launched again
with what the objects are then.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.capacity import group_candidates
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    StoredObject,
    Values,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

DEFAULT_GROUP = "default"
"""The stored group that jobs without any run in, where there is one."""
STORED = "stored"
"""Key of a mapping that stands for a stored object: its value is the id."""


@dataclass(frozen=True)
class Definition:
    """A launch, defined whole.

    Attributes:
        options: the parameters of `container_group_job`, complete; a stored object is `{"stored": id}`.
        groups: ids of the container groups that it may run in, in order; empty for the inline one.
        organization: id of the one that it belongs to.
        job_template: id of the one that it is from.
        allow_simultaneous: it need not wait for other jobs of its template.
        slices_prompted: into how many slices it is cut was said at launch, not by its template.
        groups_given: names of the groups, where they were given at launch and follow from nothing stored.
        notes: what the user should know about how this came about.
    """

    options: Values
    groups: tuple[int, ...] = ()
    organization: int | None = None
    job_template: int | None = None
    allow_simultaneous: bool = True
    slices_prompted: bool = False
    groups_given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_stored(self) -> Values:
        """As JSON can carry it; to be sealed."""
        return {
            "options": self.options,
            "groups": list(self.groups),
            "organization": self.organization,
            "job_template": self.job_template,
            "allow_simultaneous": self.allow_simultaneous,
            "slices_prompted": self.slices_prompted,
            "groups_given": list(self.groups_given),
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Definition:
        """What `to_stored` made."""
        lists = {name: tuple(stored.get(name, ())) for name in ("groups", "groups_given")}
        return cls(**{**stored, **lists})

    def reference(self, option: str) -> int | None:
        """The id of the stored object that an option names, if it names one."""
        return stored_id(self.options.get(option))


def stored_id(value: object) -> int | None:
    """The id of the stored object that a value of a definition stands for, if it stands for one."""
    number = value[STORED] if isinstance(value, Mapping) and set(value) == {STORED} else None
    return number if isinstance(number, int) else None  # else it is an inventory with a group of this name


def stored(number: int | None) -> dict[str, int] | None:
    """The value of a definition that stands for a stored object."""
    return None if number is None else {STORED: number}


class Names:
    """Finds what is called by a name at launch, or is written there.

    Attributes:
        organization: name or id of the one in which a name is looked up first.
    """

    def __init__(self, objects: ObjectStore, folder: Path, organization: str | int | None) -> None:
        """Looks in the store, and for paths from a folder on."""
        self.organization = organization
        self._objects = objects
        self._folder = folder

    def project(self, given: Any) -> Any:
        """A path if it has a slash or is there, else the name of a stored project (design, section 5)."""
        text = str(given).strip()
        if not text or self._is_path(text):
            return text
        found = self._find("project", text)
        if found is None:
            raise Failure(
                "ProjectNotFound",
                f"project {text!r} is neither a folder (looked at {self._path(text)}) nor a stored project"
                f"{self._there('project')}.",
            )
        return stored(found.id)

    def inventory(self, given: Any) -> Any:
        """What is no path, list or mapping is the name of a stored inventory."""
        text = str(given).strip() if isinstance(given, (str, os.PathLike)) else ""
        if not text or "," in text or "\n" in text or self._is_path(text):
            return given
        found = self._find("inventory", text)
        if found is None:
            raise Failure(
                "InventoryInvalid",
                f"inventory {text!r} is neither a path (looked at {self._path(text)}) nor a stored inventory"
                f"{self._there('inventory')}; a single host is written with a comma: '{text},'.",
            )
        return stored(found.id)

    def execution_environment(self, given: Any, option: str = "execution_environment") -> Any:
        """A mapping as it is, else a stored one."""
        if given is None or isinstance(given, Mapping):
            return given
        return stored(self._objects.get("execution_environment", given, option).id)

    def credential(self, given: Any, option: str) -> Any:
        """A mapping as it is, else a stored one; `option` is where it is given."""
        if isinstance(given, Mapping):
            return given
        return stored(self._objects.get("credential", given, option, self.organization).id)

    def credentials(self, given: Sequence[Any]) -> list[Any]:
        """The same for a list of them."""
        return [self.credential(each, f"credentials[{index}]") for index, each in enumerate(given)]

    def container_groups(self, listed: list[Any]) -> list[int]:
        """The ids of stored container groups."""
        return [
            stored_id(called) or self._objects.get("container_group", called, f"instance_groups[{index}]").id
            for index, called in enumerate(listed)
        ]

    def groups(self, template: Values, inventory: int | None, organization: int | None) -> tuple[int, ...]:
        """The groups of a template (empty where there is none), its inventory and its organization."""
        of_inventory = self.values("inventory", inventory)
        found = group_candidates(
            template.get("instance_groups", []),
            of_inventory.get("instance_groups", []),
            self.values("organization", organization).get("instance_groups", []),
            prevent_on_template=template.get("prevent_instance_group_fallback", False),
            prevent_on_inventory=of_inventory.get("prevent_instance_group_fallback", False),
        )
        return tuple(found)

    def groups_or_default(
        self, template: Values, inventory: int | None, organization: int | None
    ) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """The same; where there are none, the group for that case, with what is to be told."""
        found = self.groups(template, inventory, organization)
        return (found, ()) if found else self.default_group()

    def groups_called(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The names of stored container groups."""
        return tuple(self._objects.by_id("container_group", number).name for number in numbers)

    def default_group(self) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Where jobs run for which nobody has said a group."""
        found = self._objects.list("container_group", name=DEFAULT_GROUP)
        if found:
            return (int(found[0]["id"]),), ()
        (own,) = self._objects.list("container_group", name=CONTROLPLANE)
        note = (
            "no pod is used: neither the template, nor its inventory or organization, has instance_groups,"
            f" and there is no container group {DEFAULT_GROUP}; the job runs on the controller node"
        )
        return (int(own["id"]),), (note,)

    def values(self, kind: str, number: int | None) -> Values:
        """What a stored object has; nothing for none."""
        return self._objects.by_id(kind, number).values if number is not None else {}

    def _find(self, kind: str, called: str) -> StoredObject | None:
        """The stored object of a name, or None; several of that name are an error."""
        if not self._objects.list(kind, name=called) and not called.isdecimal():
            return None
        return self._objects.get(kind, called, kind, self.organization)

    def _there(self, kind: str) -> str:
        names = [str(shown["name"]) for shown in self._objects.list(kind)[:10]]
        return f" (there are: {', '.join(names)})" if names else " (none is stored)"

    def _is_path(self, text: str) -> bool:
        return "/" in text or os.path.exists(self._path(text))

    def _path(self, text: str) -> Path:
        return self._folder / os.path.expanduser(text)
