#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inventory_update
short_description: Update a stored inventory source
version_added: 0.1.0
description:
  - Reads an inventory source, whether that is due or not, on the controller, and stores the hosts, groups
    and variables that it found in its inventory.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: partial
    details: The source is read and stored in check mode, too.
  diff_mode:
    support: partial
    details: Differences are not shown.
  idempotent:
    support: partial
    details: The result is only changed where something new was found.
options:
  inventory_source:
    description: Name or id of the stored inventory source.
    type: str
    required: true
    aliases: [name]
  inventory:
    description: Name or id of the inventory that it belongs to; chooses between sources of the same name.
    type: str
  organization:
    description: Name or id of an organization; chooses between inventories of the same name.
    type: str
  wait:
    description: Waits for the job's end. With V(false) the module returns when the job is stored.
    type: bool
    default: true
seealso:
  - module: jobpods.controller.inventory_source
  - module: jobpods.controller.project_update
"""

EXAMPLES = r"""
- name: Read the hosts of the cloud again
  jobpods.controller.inventory_update:
    inventory_source: cloud
    inventory: Production
"""

RETURN = r"""
changed:
  description: Whether something else was found than before.
  returned: always
  type: bool
job:
  description: The job, as RV(jobpods.controller.container_group_job#module:job).
  returned: always
  type: dict
id:
  description: C(id) of RV(job), where C(awx.awx) has it, too.
  returned: always
  type: int
status:
  description: C(status) of RV(job), where C(awx.awx) has it, too.
  returned: always
  type: str
stdout:
  description: What the inventory plugin printed.
  returned: always
  type: str
stdout_truncated:
  description: Whether something before RV(stdout) was left out; it is kept with the job.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Update an inventory source."""
    run_module("inventory_update", AnsibleModule(ARGUMENTS["inventory_update"], supports_check_mode=True))


if __name__ == "__main__":
    main()
