#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_template
short_description: Manage job templates
version_added: 0.1.0
description:
  - A job template is all that a job is launched from. It has a project and a playbook, an inventory,
    credentials, and the other options of M(jobpods.controller.container_group_job), which launches it.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.named_object.organization
  - jobpods.controller.template
  - jobpods.controller.store
options:
  job_type:
    description: V(check) runs the playbook in check mode.
    type: str
    choices: [run, check]
  inventory:
    description: Name or id of the inventory.
    type: str
  project:
    description: Name or id of the project.
    type: str
  playbook:
    description: Path of the playbook in the project.
    type: str
  credentials:
    description:
      - Names or ids of the credentials; at most one C(machine) credential, and one C(vault) for each vault
        id.
    type: list
    elements: str
  execution_environment:
    description: Name or id of the execution environment.
    type: str
  instance_groups:
    description:
      - Names or ids of the container groups in which its jobs run, in order; the first with room is taken.
        They come before those of the inventory and of the organization.
    type: list
    elements: str
  prevent_instance_group_fallback:
    description: Never use the container groups of the inventory or of the organization.
    type: bool
  forks:
    description: How many hosts the playbook works on at once; V(0) is Ansible's own default.
    type: int
  limit:
    description: Pattern of the hosts to work on.
    type: str
  verbosity:
    description: How much the playbook prints.
    type: int
    choices: [0, 1, 2, 3, 4, 5]
  extra_vars:
    description: Extra variables.
    type: dict
  job_tags:
    description: Run only tasks with these tags, separated by commas.
    type: str
  skip_tags:
    description: Skip tasks with these tags, separated by commas.
    type: str
  start_at_task:
    description: Start with the task of this name.
    type: str
  diff_mode:
    description: Run the playbook in diff mode.
    type: bool
  become_enabled:
    description: Run the playbook with C(--become).
    type: bool
  timeout:
    description: Seconds that the playbook may take; V(0) is no limit.
    type: int
  job_slice_count:
    description: Split the hosts into so many jobs that run at once, each in a pod of its own.
    type: int
  scm_branch:
    description: Another branch, tag or commit of the project, which must allow that.
    type: str
  ask_credential_on_launch:
    description: Whoever launches the template may say the credentials.
    type: bool
    aliases: [ask_credential]
  ask_diff_mode_on_launch:
    description: Whoever launches the template may say the diff mode.
    type: bool
    aliases: [ask_diff_mode]
  ask_execution_environment_on_launch:
    description: Whoever launches the template may say the execution environment.
    type: bool
  ask_forks_on_launch:
    description: Whoever launches the template may say the forks.
    type: bool
  ask_instance_groups_on_launch:
    description: Whoever launches the template may say the container groups.
    type: bool
  ask_job_slice_count_on_launch:
    description: Whoever launches the template may say the number of slices.
    type: bool
  ask_job_type_on_launch:
    description: Whoever launches the template may say the job type.
    type: bool
    aliases: [ask_job_type]
  ask_timeout_on_launch:
    description: Whoever launches the template may say the time limit.
    type: bool
  ask_verbosity_on_launch:
    description: Whoever launches the template may say the verbosity.
    type: bool
    aliases: [ask_verbosity]
seealso:
  - module: jobpods.controller.container_group_job
  - module: jobpods.controller.workflow_job_template
"""

EXAMPLES = r"""
- name: Have a job template
  jobpods.controller.job_template:
    name: deploy website
    organization: Operations
    project: website
    playbook: deploy.yml
    inventory: web
    credentials: [web servers]
    instance_groups: [prod]
    ask_limit_on_launch: true

- name: Launch it
  jobpods.controller.container_group_job:
    job_template: deploy website
    limit: web1
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
    """Manage job templates."""
    run_module("job_template", AnsibleModule(ARGUMENTS["job_template"], supports_check_mode=True))


if __name__ == "__main__":
    main()
