#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: project_update
short_description: Update a stored project
version_added: 0.1.0
description:
  - Brings the files of a project, whether that is due or not, on the controller. Of a manual project the
    folder and its playbooks are checked.
  - Jobs on the project and updates of it wait for each other.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: partial
    details: The project is updated in check mode, too.
  diff_mode:
    support: partial
    details: Differences are not shown.
  idempotent:
    support: partial
    details: The result is only changed where there was another revision.
options:
  project:
    description: Name or id of the stored project.
    type: str
    required: true
    aliases: [name]
  organization:
    description: Name or id of an organization; chooses between projects of the same name.
    type: str
  wait:
    description: Waits for the job's end. With V(false) the module returns when the job is stored.
    type: bool
    default: true
seealso:
  - module: jobpods.controller.project
  - module: jobpods.controller.inventory_update
"""

EXAMPLES = r"""
- name: Get the newest playbooks
  jobpods.controller.project_update:
    project: Web
"""

RETURN = r"""
changed:
  description: Whether the project has another revision than before.
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
  description: What git, or the download, printed.
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
    """Update a project."""
    run_module("project_update", AnsibleModule(ARGUMENTS["project_update"], supports_check_mode=True))


if __name__ == "__main__":
    main()
