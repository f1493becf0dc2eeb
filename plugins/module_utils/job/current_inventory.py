# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calling play's inventory as a YAML inventory: hosts, groups, and their variables as written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.inventory.group import Group  # pylint: disable=ansible-bad-module-import  # for action plugins
from ansible.inventory.host import Host  # pylint: disable=ansible-bad-module-import  # for action plugins
from ansible.vars.plugins import (  # pylint: disable=ansible-bad-module-import  # for action plugins
    get_vars_from_inventory_sources,
    get_vars_from_path,
)

STAGE = "task"
"""Of vars plugins: the one in which host_group_vars reads the folders beside inventory and playbook."""


def current_inventory(hostvars: Any, loader: Any) -> dict[str, Any]:
    """Reads the inventory that a play runs with.

    Variables are those of the inventory itself and of group_vars and host_vars, beside it and beside the
    playbook; no facts, and nothing that was registered or set while the play ran. Vaulted values are
    decrypted.

    Args:
        hostvars: the play's `hostvars`.
        loader: the play's data loader, with its vault secrets.

    Returns:
        A mapping as the `yaml` inventory plugin reads it.
    """
    inventory = hostvars._inventory
    sources = list(getattr(inventory, "_sources", ()) or ())
    folder = loader.get_basedir()

    def variables(entity: Group | Host) -> dict[str, Any]:
        # The order is Ansible's own: the inventory file, the folders beside it, those beside the playbook.
        found = dict(entity.vars)
        found.update(get_vars_from_inventory_sources(loader, sources, [entity], STAGE))
        found.update(get_vars_from_path(loader, folder, [entity], STAGE))
        return {str(name): plain(value) for name, value in found.items() if name not in INTERNAL}

    groups = {}
    for name, group in inventory.groups.items():
        groups[str(name)] = {
            "hosts": {} if name == "all" else {str(host.name): {} for host in group.hosts},
            "children": {} if name == "all" else {str(child.name): {} for child in group.child_groups},
            "vars": variables(group),
        }
    everybody = groups.pop("all", {"hosts": {}, "children": {}, "vars": {}})
    everybody["hosts"] = {str(name): variables(host) for name, host in inventory.hosts.items()}
    everybody["children"] = groups
    return {"all": everybody}


INTERNAL = frozenset(
    ("inventory_file", "inventory_dir", "inventory_hostname", "inventory_hostname_short", "group_names")
)
"""What Ansible itself sets for each host, and will set again in the pod."""


def plain(value: Any) -> Any:
    """`value` in plain types only: Ansible's tagged, lazy and encrypted ones become what they stand for."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(inner) for inner in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)
