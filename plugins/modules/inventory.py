#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inventory
short_description: Manage inventories
version_added: 0.1.0
description:
  - An inventory holds the hosts, groups and variables that jobs work on, and says in which container groups
    they run.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.named_object.organization
  - jobpods.controller.store
options:
  content:
    description:
      - Hosts, groups and variables, as a mapping or YAML text in the form of Ansible's YAML inventories.
      - Excludes O(path).
    type: raw
  path:
    description:
      - A file or folder on the controller that each job reads anew. A file brings C(group_vars) and
        C(host_vars) beside it along.
      - Excludes O(content).
    type: path
  variables:
    description: Variables of all hosts.
    type: dict
  instance_groups:
    description:
      - Names or ids of the container groups in which jobs on this inventory run, in order. They come after
        those of the job template, and before those of the organization.
    type: list
    elements: str
  prevent_instance_group_fallback:
    description: Never use the organization's container groups.
    type: bool
seealso:
  - module: jobpods.controller.inventory_source
  - module: jobpods.controller.job_template
"""

EXAMPLES = r"""
- name: Have an inventory
  jobpods.controller.inventory:
    name: web
    organization: Operations
    content:
      web:
        hosts:
          web1:
          web2:
            ansible_host: 192.0.2.12
    variables:
      ntp_server: ntp.example.com
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
    """Manage inventories."""
    run_module("inventory", AnsibleModule(ARGUMENTS["inventory"], supports_check_mode=True))


if __name__ == "__main__":
    main()
