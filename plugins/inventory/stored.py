# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stored
short_description: Stored inventories as inventories of Ansible
version_added: 0.1.0
description:
  - Gives Ansible the hosts, groups and variables of an inventory that M(jobpods.controller.inventory) has
    made, with all that its inventory sources have brought into it.
  - Nothing is updated by this, whatever the sources' C(update_on_launch) says.
  - Of an inventory with a C(path), that file or folder is read anew.
  - The file that configures the plugin has a name that ends with C(.jobpods.yml), C(.jobpods.yaml),
    C(stored.yml) or C(stored.yaml).
extends_documentation_fragment:
  - jobpods.controller.plugin_store
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [jobpods.controller.stored]
  inventory:
    description: Name or id of the inventory.
    type: str
    required: true
  organization:
    description: Name or id of the organization that it is in, where several have an inventory of this name.
    type: str
notes:
  - With O(cache=true), the inventory's variables are in the cache as they are, also those that are secret.
seealso:
  - module: jobpods.controller.inventory
  - module: jobpods.controller.inventory_source
  - plugin: jobpods.controller.job_pods
    plugin_type: inventory
    description: The pods of jobs as an inventory.
"""

EXAMPLES = r"""
# web.jobpods.yml: the hosts that jobs on the inventory "web" run on
plugin: jobpods.controller.stored
inventory: web

---
# prod.jobpods.yml: with more groups and variables than those that are stored, and kept for five minutes
plugin: jobpods.controller.stored
inventory: prod
organization: Operations
data_dir: /var/lib/jobpods
compose:
  ansible_host: address | default(inventory_hostname)
groups:
  virtual: kind | default('') == 'vm'
keyed_groups:
  - key: datacenter
    prefix: dc
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/jobpods
cache_timeout: 300
"""

import asyncio
import json
import os
from typing import Any

from ansible import constants
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.plugin_utils.plugin_store import StoreInventoryPlugin
from ansible_collections.jobpods.controller.plugins.plugin_utils.vault_secrets import vault_credentials

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core before 2.19 trusts all that is not marked

    def trust_as_template(value: str) -> str:
        """The text, as one whose templates are templates."""
        return value


READING = "JOBPODS_READING_INVENTORIES"
"""Environment variable with the ids of the inventories whose files are being read by this."""


class InventoryModule(StoreInventoryPlugin):
    """The plugin."""

    NAME = "jobpods.controller.stored"
    endings = (".jobpods.yml", ".jobpods.yaml", "stored.yml", "stored.yaml")
    own_options = ("inventory", "organization")

    def read(self) -> Any:
        """The inventory, as a mapping that the `yaml` inventory plugin would read."""
        with self.opened_store() as store:
            found = store.objects.get(
                "inventory", self.get_option("inventory"), "inventory", self.get_option("organization")
            )
            contents = store.inventories.contents(found.id)
        # Imported here, since it needs PyYAML, which the store has missed first.
        from ansible_collections.jobpods.controller.plugins.module_utils.job.inventories import (
            inventory_content,
        )

        return asyncio.run(inventory_content(found.values, contents, self._reading(found.id)))

    def _reading(self, inventory_id: int) -> Any:
        """How a file or folder of the inventory is read: as this Ansible would."""
        from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_inventory import Reading

        above = os.environ.get(READING, "").split()
        if str(inventory_id) in above:
            raise Failure(
                "InventoryInvalid",
                f"inventory: the path of {self.get_option('inventory')!r} has a file in it that reads the"
                " same inventory from the store.",
            )
        environment = {**os.environ, READING: " ".join((*above, str(inventory_id)))}
        if constants.CONFIG_FILE:
            environment["ANSIBLE_CONFIG"] = str(constants.CONFIG_FILE)
        return Reading(environment=environment, vaults=vault_credentials(self.loader))

    def fill(self, found: Any, path: str) -> None:
        """Adds hosts and groups as they would come from a YAML inventory of the user's."""
        content = self.loader.load(trust_as_template(json.dumps(found)), file_name=path)
        hosts = content["all"].get("hosts") or {}
        for host, variables in hosts.items():
            self.inventory.add_host(str(host))
            self._set_variables(str(host), variables)
        for name, group in content.items():
            known = self.inventory.add_group(str(name))
            self._set_variables(known, group.get("vars"))
            for host in group.get("hosts") or ():
                self.inventory.add_child(known, str(host))
            for child in group.get("children") or ():
                self.inventory.add_child(known, self.inventory.add_group(str(child)))
        for host in hosts:
            self.construct(str(host))

    def _set_variables(self, entity: str, variables: Any) -> None:
        for name, value in (variables or {}).items():
            self.inventory.set_variable(entity, str(name), value)
