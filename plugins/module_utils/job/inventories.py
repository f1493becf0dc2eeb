# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories of launches: stored ones put together, and their hosts known before any pod is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    Content,
    Flat,
    Listing,
    checked_content,
    content_of,
    flattened,
    from_listing,
    listing_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_layers import (
    SourceContent,
    merged,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_text import (
    parsed_mapping,
    plain_mapping,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_inventory import (
    Reading,
    list_once,
    read_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.host_patterns import expanded
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import InventorySource

Values = dict[str, Any]


@dataclass(frozen=True)
class Inventory:
    """An inventory that was read.

    Attributes:
        hosts: all of them, in its order.
        listing: as `ansible-inventory --list --export` prints it: what a slice is cut from.
    """

    hosts: tuple[str, ...]
    listing: Listing = field(repr=False)


async def read_inventory(source: InventorySource, reading: Reading) -> Inventory:
    """Reads an inventory, so that each host has the same variables again where a slice of it is read.

    Args:
        source: the inventory of a launch.
        reading: how to read a file or folder.

    Raises:
        Failure: `InventoryInvalid`.
    """
    if source.kind == "content":
        flat = flattened(source.content, expanded)
        return Inventory(tuple(flat.hosts), listing_of(flat))
    listing = await read_listing(source.path, reading, f"inventory {source.path}")
    return Inventory(tuple(from_listing(listing).hosts), listing)


async def inventory_hosts(source: InventorySource, reading: Reading) -> tuple[str, ...]:
    """The names of an inventory's hosts, in its order; quicker than reading all of it.

    Args:
        source: the inventory of a launch.
        reading: how to read a file or folder.

    Raises:
        Failure: `InventoryInvalid`.
    """
    if source.kind == "content":
        return tuple(flattened(source.content, expanded).hosts)
    return tuple(from_listing(await list_once(source.path, reading, f"inventory {source.path}")).hosts)


def source_of(listing: Mapping[str, Any]) -> InventorySource:
    """What a listing says, for example that of a slice, as the inventory of a launch."""
    return InventorySource("content", content=content_of(from_listing(listing)))


# --- stored inventories -----


def check_inventory_values(values: Values) -> Values:
    """The options of a stored inventory, checked.

    Args:
        values: all of them; `content` and `variables` may be YAML or JSON text.

    Returns:
        The options with `content` and `variables` as mappings.

    Raises:
        Failure: `InvalidConfiguration`, which names the option, and the line of a text that can't be read.
    """
    if values["content"] and values["path"]:
        raise _invalid("content and path exclude each other; clear one of them: path: '' or content: {}.")
    if values["path"] and not os.path.isabs(values["path"]):
        raise _invalid(
            f"path is {values['path']!r}; it must be absolute, for example /etc/ansible/inventory."
        )
    variables = plain_mapping(parsed_mapping(values["variables"], "variables"), "variables")
    return {**values, "content": _checked(values["content"]), "variables": variables}


def _checked(given: object) -> Content:
    parsed = parsed_mapping(given, "content")
    if "plugin" in parsed:
        raise _invalid("content is an inventory plugin's configuration; make an inventory_source of it.")
    try:
        content = plain_mapping(checked_content(parsed, "content"), "content")
        flattened(content, expanded)
    except Failure as failure:
        raise _invalid(failure.message) from failure
    return content


async def launch_inventory(
    values: Mapping[str, Any], sources: Iterable[SourceContent], reading: Reading
) -> InventorySource:
    """The inventory of a launch that a stored one and its sources make.

    Args:
        values: the stored inventory's.
        sources: what its sources bring, in the order of their ids.
        reading: how to read its file or folder, where there is more than that.

    Raises:
        Failure: `InventoryInvalid`.
    """
    brought, path = list(sources), str(values["path"])
    if path and not values["variables"] and not brought:
        _check_path(path)
        return InventorySource("folder" if os.path.isdir(path) else "file", path)
    return InventorySource("content", content=await inventory_content(values, brought, reading))


async def inventory_content(
    values: Mapping[str, Any], sources: Iterable[SourceContent], reading: Reading
) -> Content:
    """What a stored inventory and its sources say together; a file or folder of it is read.

    Args:
        values: the stored inventory's.
        sources: what its sources bring, in the order of their ids.
        reading: how to read its file or folder.

    Returns:
        A mapping as the `yaml` inventory plugin reads it, with each host and its variables under `all`.

    Raises:
        Failure: `InventoryInvalid`.
    """
    path = str(values["path"])
    if not path:
        return merged_inventory(values, sources)
    _check_path(path)
    flat = from_listing(await read_listing(path, reading, f"inventory {path}"))
    return _together(flat, values["variables"], sources)


def _check_path(path: str) -> None:
    if not os.path.exists(path):
        raise Failure("InventoryInvalid", f"The inventory's path {path} does not exist on the controller.")


def merged_inventory(values: Mapping[str, Any], sources: Iterable[SourceContent]) -> Content:
    """What a stored inventory with a content, and its sources, say together.

    Args:
        values: the inventory's `content` and `variables`, which are those of group `all`.
        sources: what its sources bring, in the order of their ids.

    Returns:
        A mapping as the `yaml` inventory plugin reads it.

    Raises:
        Failure: `InventoryInvalid`, where groups are within each other.
    """
    return _together(flattened(values["content"], expanded), values["variables"], sources)


def _together(own: Flat, variables: Mapping[str, Any], sources: Iterable[SourceContent]) -> Content:
    own.groups["all"].variables.update(variables)
    return content_of(merged(own, sources))


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
