#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workflow_job
short_description: Run a stored workflow
version_added: 0.1.0
description:
  - Launches a workflow job template. Its nodes run as jobs of their own when their turn comes; what they
    set with C(set_stats) goes to those after them as extra variables.
  - A workflow that is cancelled cancels the jobs that run, and their pods are deleted. A node that cannot
    be started has the status V(error), and what it is linked to for that case runs.
  - It is what C(awx.awx.workflow_launch) is.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: partial
    details: The nodes run in check mode; project and inventory updates as ever.
  diff_mode:
    support: partial
    details: Playbooks run in diff mode; their differences are in their output.
  idempotent:
    support: partial
    details: Each call is a job of its own.
options:
  workflow_job_template:
    description: Name or id of the stored workflow job template.
    type: str
    required: true
    aliases: [name, workflow_template]
  organization:
    description: Name or id of an organization; chooses between templates of the same name.
    type: str
  inventory:
    description: Inventory for the nodes whose templates ask for one, as in
      O(jobpods.controller.container_group_job#module:inventory); the workflow must ask for it. A name is
      looked up in the workflow's own organization first.
    type: raw
  limit:
    description: Pattern of the hosts to run on, for the nodes whose templates ask for it; likewise.
    type: str
  scm_branch:
    description: Branch for the nodes whose templates ask for one; likewise.
    type: str
  tags:
    description: Only tasks with these tags; likewise.
    type: list
    elements: str
    aliases: [job_tags]
  skip_tags:
    description: No tasks with these tags; likewise.
    type: list
    elements: str
  extra_vars:
    description:
      - Answers to the workflow's survey, and other variables where it asks for some. All nodes get them, and
        they win over what jobs have set.
    type: dict
  wait:
    description: Waits for the job's end. With V(false) the module returns when the job is stored.
    type: bool
    default: true
seealso:
  - module: jobpods.controller.workflow_job_template
  - module: jobpods.controller.container_group_job
  - module: jobpods.controller.job_cancel
"""

EXAMPLES = r"""
- name: Deploy everything
  jobpods.controller.workflow_job:
    workflow_job_template: Deploy
    extra_vars:
      version: "2.1"
  register: deploy

- name: Tell what became of each node
  ansible.builtin.debug:
    msg: "{{ item.workflow_node }}: {{ item.status }} {{ item.job_explanation }}"
  loop: "{{ deploy.job.slices }}"
"""

RETURN = r"""
changed:
  description: Whether a job of the workflow changed anything; true, too, where that can't be known.
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
job_info:
  description: A mapping with C(id) of RV(job), where C(awx.awx) has it, too.
  returned: when a job was made
  type: dict
stdout:
  description: Always empty; the jobs of the nodes have output.
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
    """Run a workflow."""
    run_module("workflow_job", AnsibleModule(ARGUMENTS["workflow_job"], supports_check_mode=True))


if __name__ == "__main__":
    main()
