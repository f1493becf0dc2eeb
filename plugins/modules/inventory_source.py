#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inventory_source
short_description: Manage inventory sources
version_added: 0.1.0
description:
  - An inventory source brings hosts into an inventory from a file, from a file of a project, or from an
    inventory plugin. C(jobpods.controller.inventory_update) reads it, on the controller.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.store
options:
  organization:
    description:
      - Name or id of the organization in which O(inventory), and what else the options name, are looked for
        first. Without it, it is the inventory's own.
    type: str
  inventory:
    description: Name or id of the inventory that the source belongs to. It can't be changed.
    type: str
  source:
    description:
      - V(file) reads O(source_path) on the controller, V(scm) the O(source_path) of O(source_project), and
        V(plugin) uses O(source_vars) as the configuration of an inventory plugin.
      - The others are AWX's names of clouds; each is its collection's inventory plugin.
    type: str
    choices: [file, scm, plugin, ec2, gce, azure_rm, vmware, openstack]
  source_path:
    description:
      - Path of the file or folder; in a project it is relative, and V(/) is all of the project.
      - With an inventory plugin, the name that the file with its configuration shall have, where the plugin
        wants another one than its own.
    type: str
  source_project:
    description: Name or id of the project that the file is in.
    type: str
  source_vars:
    description: Configuration of the inventory plugin; with V(plugin) it names it in C(plugin).
    type: dict
  credential:
    description: Name or id of a credential for the source's project.
    type: str
  limit:
    description: Bring only hosts that this pattern fits.
    type: str
  overwrite:
    description: Remove hosts and groups that an earlier update brought and that the source has no more.
    type: bool
  overwrite_vars:
    description: Replace variables instead of merging them.
    type: bool
  timeout:
    description: Seconds that an update may take; V(0) is no limit.
    type: int
  verbosity:
    description: How much an update prints.
    type: int
    choices: [0, 1, 2]
  update_on_launch:
    description: Update before each job on the inventory.
    type: bool
  update_cache_timeout:
    description: Seconds after an update for which O(update_on_launch) finds it new enough.
    type: int
seealso:
  - module: jobpods.controller.inventory
  - module: jobpods.controller.inventory_update
"""

EXAMPLES = r"""
- name: Have hosts of a cloud in an inventory
  jobpods.controller.inventory_source:
    name: our instances
    inventory: web
    source: plugin
    source_vars:
      plugin: amazon.aws.aws_ec2
      regions: [eu-central-1]
    update_on_launch: true
    update_cache_timeout: 300
"""

RETURN = r"""
id:
  description: The object's id; null where there is none (any more).
  returned: success
  type: int
name:
  description: The object's name.
  returned: success
  type: str
object:
  description: All that is stored of the object, with V($encrypted$) for secrets; empty where it is deleted.
  returned: success
  type: dict
failure:
  description: Why the object could not be changed, with C(reason), C(message) and C(hint).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Manage inventory sources."""
    run_module("inventory_source", AnsibleModule(ARGUMENTS["inventory_source"], supports_check_mode=True))


if __name__ == "__main__":
    main()
