# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of the calling play as a YAML inventory: hosts, groups, and their variables as written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.inventory.group import Group
from ansible.inventory.helpers import sort_groups
from ansible.inventory.host import Host
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import TEMPLATE, UNSAFE

try:
    from ansible.template import is_trusted_as_template
except ImportError:  # ansible-core before 2.19 marks the others instead
    from ansible.utils.unsafe_proxy import AnsibleUnsafe

    def is_trusted_as_template(value: object) -> bool:
        """Whether a text is a template of the user's, and not data."""
        return not isinstance(value, AnsibleUnsafe)


STAGE = "task"
"""Of vars plugins: the one in which host_group_vars reads the folders beside inventory and playbook."""
PRIORITY = "ansible_group_priority"
INTERNAL = frozenset(
    ("inventory_file", "inventory_dir", "inventory_hostname", "inventory_hostname_short", "group_names")
)
"""What Ansible itself sets for each host, and will set again in the pod."""

Variables = dict[str, Any]


def with_inventory(params: dict[str, Any], task_vars: Mapping[str, Any], loader: Any) -> dict[str, Any]:
    """A launch's options with its inventory: `current` becomes that of the calling play, a mapping data.

    Args:
        params: the module's parameters.
        task_vars: the task's variables.
        loader: the play's data loader, with its vault secrets.

    Raises:
        Failure: `InventoryInvalid`, where a vaulted value can't be decrypted.
    """
    inventory = params.get("inventory")
    if inventory == "current":
        return {**params, "inventory": current_inventory(task_vars["hostvars"], loader)}
    if isinstance(inventory, Mapping):
        return {**params, "inventory": inventory_as_data(inventory)}
    return params


def current_inventory(hostvars: Any, loader: Any, folder: str = "") -> dict[str, Any]:
    """Reads the inventory that a play runs with.

    Variables are those of the inventory itself and of group_vars and host_vars, beside it and beside the
    playbook; no facts, and nothing that was registered or set while the play ran. Vaulted values are
    decrypted.

    Args:
        hostvars: the play's `hostvars`.
        loader: the play's data loader, with its vault secrets.
        folder: of the playbook that the variables are for; without it, of the play's own.

    Returns:
        A mapping as the `yaml` inventory plugin reads it.

    Raises:
        Failure: `InventoryInvalid`, where a vaulted value can't be decrypted.
    """
    return _Reader(hostvars._inventory, loader, folder or loader.get_basedir()).read()


class _Reader:
    """Reads an inventory so that each host has the same variables again where it is read from one file.

    Ansible ranks variables by where they are written before it ranks groups: those of group_vars/all win over
    those of any group in an inventory file. One file knows only ranks of groups, so what would come out
    differently becomes a variable of the host.
    """

    def __init__(self, inventory: Any, loader: Any, folder: str) -> None:
        self._inventory = inventory
        self._loader = loader
        self._folder = folder
        self._sources = list(getattr(inventory, "_sources", ()) or ())
        self._groups: dict[str, Variables] = {}
        self._told: set[str] = set()
        self._seen: set[str] = set()
        self._inherited: dict[tuple[str, ...], tuple[Variables, Variables]] = {}

    def read(self) -> dict[str, Any]:
        groups = self._inventory.groups
        for name, group in groups.items():
            self._groups[name] = self._group_variables(group)
        top = self._group(groups["all"])
        # All of them are below `all`, but for what a play adds before Ansible has tidied up.
        for name in [name for name in groups if name not in self._told]:
            top["children"][str(name)] = self._group(groups[name])
        left = [host for host in self._inventory.hosts.values() if host.name not in self._seen]
        top["hosts"].update(self._hosts(left))
        return {"all": top}

    def _group(self, group: Group) -> dict[str, Any]:
        """A group with all that is in it, in its order; once for each, since it may be in several others."""
        if group.name in self._told:
            return {}
        self._told.add(group.name)
        variables = self._groups[group.name]
        return {
            "hosts": self._hosts(group.hosts),
            "children": {str(child.name): self._group(child) for child in group.child_groups},
            "vars": {**variables, PRIORITY: int(group.priority)} if group.priority != 1 else variables,
        }

    def _hosts(self, hosts: Iterable[Host]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for host in hosts:
            if host.name not in self._seen:
                found[str(host.name)] = self._host_variables(host)
                self._seen.add(host.name)
            else:
                found.setdefault(str(host.name), {})
        return found

    def _beside_inventory(self, entities: list[Group | Host]) -> Variables:
        return dict(get_vars_from_inventory_sources(self._loader, self._sources, entities, STAGE))

    def _beside_playbook(self, entities: list[Group | Host]) -> Variables:
        return dict(get_vars_from_path(self._loader, self._folder, entities, STAGE))

    def _own(self, entity: Group | Host) -> Variables:
        """An entity's own variables, in Ansible's order."""
        found = combine_vars(dict(entity.vars), self._beside_inventory([entity]))
        return _known(combine_vars(found, self._beside_playbook([entity])))

    def _group_variables(self, group: Group) -> Variables:
        return _plain_variables(self._own(group), f"group {group.name}")

    def _host_variables(self, host: Host) -> Variables:
        groups = sort_groups([group for group in host.get_groups() if group.name != "all"])
        key = tuple(group.name for group in groups)
        if key not in self._inherited:
            self._inherited[key] = self._inherit(groups)
        inherited, different = self._inherited[key]
        # With hash_behaviour merge, a host's mapping has its groups' entries as well.
        own = {
            name: combine_vars({name: inherited[name]}, {name: value})[name] if name in inherited else value
            for name, value in self._own(host).items()
        }
        return {**different, **_plain_variables(own, f"host {host.name}")}

    def _inherit(self, groups: list[Group]) -> tuple[Variables, Variables]:
        """What hosts of just these groups inherit, and what of it the pod would see differently."""
        everybody = self._inventory.groups["all"]
        layers: dict[str, Any] = {
            "all_inventory": lambda: everybody.vars,
            "groups_inventory": lambda: _combined(group.vars for group in groups),
            "all_plugins_inventory": lambda: self._beside_inventory([everybody]),
            "all_plugins_play": lambda: self._beside_playbook([everybody]),
            "groups_plugins_inventory": lambda: self._beside_inventory(list(groups)),
            "groups_plugins_play": lambda: self._beside_playbook(list(groups)),
        }
        ranked = [layers[name]() for name in constants.VARIABLE_PRECEDENCE if name in layers]
        inherited = _known(_combined(ranked))
        seen: Variables = {}
        for name in ("all", *(group.name for group in groups)):
            seen.update(self._groups[name])
        written = _plain_variables(inherited, f"hosts of {', '.join(group.name for group in groups)}")
        different = {name: value for name, value in written.items() if seen.get(name, _NOTHING) != value}
        return inherited, different


_NOTHING = object()


def _combined(layers: Any) -> Variables:
    found: Variables = {}
    for variables in layers:
        found = combine_vars(found, variables)
    return found


def _known(variables: Variables) -> Variables:
    return {str(name): value for name, value in variables.items() if name not in INTERNAL}


def _plain_variables(variables: Variables, where: str) -> Variables:
    found = {}
    for name, value in variables.items():
        try:
            found[name] = plain(value)
        except AnsibleError as exc:
            raise Failure("InventoryInvalid", f"variable {name} of {where} can't be read: {exc}") from exc
    return found


def inventory_as_data(inventory: Mapping[Any, Any]) -> dict[str, Any]:
    """An inventory that a task gives as a mapping, whose variables are no templates in the pod.

    The task's own templates have been evaluated by then, so what still looks like one may come from a managed
    host. Where a user wanted it to be one, newer versions of Ansible can't tell.
    """
    return {str(name): _group_as_data(group) for name, group in inventory.items()}


def _group_as_data(group: Any) -> Any:
    """A group with its hosts and the groups below it; what is none is left for whoever checks it."""
    if not isinstance(group, Mapping):
        return group
    found = dict(group)
    for key, convert in (("vars", _data), ("hosts", _data), ("children", _group_as_data)):
        inner = found.get(key)
        if isinstance(inner, Mapping):
            found[key] = {str(name): convert(value) for name, value in inner.items()}
    return found


def _data(value: Any) -> Any:
    return plain(value, lambda text: False)


def plain(value: Any, is_template: Callable[[str], bool] = is_trusted_as_template) -> Any:
    """`value` made of types that JSON knows: Ansible's own become what they stand for, dates become text.

    Args:
        value: anything that a variable can be.
        is_template: tells of a text that looks like a template whether it is one in the pod; if not, it is
            marked as data.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner, is_template) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(inner, is_template) for inner in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    text = str(value)
    if TEMPLATE.search(text) and not (isinstance(value, str) and is_template(value)):
        return {UNSAFE: text}  # a vaulted text is no template, either
    return text
