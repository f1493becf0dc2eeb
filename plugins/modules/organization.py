#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: organization
short_description: Manage organizations
version_added: 0.1.0
description:
  - An organization owns other objects, and says in which container groups and with which image its jobs run
    where nothing nearer to them does.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.store
options:
  default_environment:
    description: Name or id of the execution environment of jobs for which nothing nearer says one.
    type: str
  instance_groups:
    description:
      - Names or ids of the container groups in which the organization's jobs run, in order. They come after
        those of the job template and of the inventory.
    type: list
    elements: str
seealso:
  - module: jobpods.controller.container_group
"""

EXAMPLES = r"""
- name: Have an organization whose jobs run in one of two clusters
  jobpods.controller.organization:
    name: Operations
    instance_groups: [prod, overflow]

- name: Rename it
  jobpods.controller.organization:
    name: Operations
    new_name: Platform
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
    """Manage organizations."""
    run_module("organization", AnsibleModule(ARGUMENTS["organization"], supports_check_mode=True))


if __name__ == "__main__":
    main()
