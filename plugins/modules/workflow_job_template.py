#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workflow_job_template
short_description: Manage workflow job templates
version_added: 0.1.0
description:
  - A workflow job template is a graph of nodes, each of which runs a job template, an update of a project or
    of an inventory source, or another workflow, when those before it ended as its links say.
  - M(jobpods.controller.workflow_job) launches it.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.named_object.organization
  - jobpods.controller.template
  - jobpods.controller.store
options:
  inventory:
    description: Name or id of an inventory for those nodes whose templates ask for one.
    type: str
  limit:
    description: Pattern of hosts for those nodes whose templates ask for one.
    type: str
  scm_branch:
    description: A branch for those nodes whose templates ask for one.
    type: str
  job_tags:
    description: Tags for those nodes whose templates ask for some, separated by commas.
    type: str
  skip_tags:
    description: Tags to skip for those nodes whose templates ask for some, separated by commas.
    type: str
  extra_vars:
    description: Extra variables of all nodes.
    type: dict
  workflow_nodes:
    description:
      - The nodes, as C(awx.awx.workflow_job_template) takes them. Each is a mapping with C(identifier),
        C(unified_job_template) (C(name), C(type), and C(organization) or C(inventory), each with a C(name)),
        C(all_parents_must_converge), C(related) (C(success_nodes), C(failure_nodes) and C(always_nodes),
        each a list of mappings with C(identifier); C(credentials) and C(instance_groups), each with
        C(name)), C(state), and what the template asks for at launch (C(inventory), C(limit), C(extra_data),
        C(job_type), C(job_tags), C(skip_tags), C(scm_branch), C(verbosity), C(diff_mode), C(forks),
        C(timeout), C(job_slice_count), C(execution_environment)).
      - Types are V(job_template), V(project), V(inventory_source) and V(workflow_job_template). There are no
        approvals.
      - Nodes that are not in the list stay as they are; see O(destroy_current_nodes).
    type: list
    elements: dict
    aliases: [schema]
  destroy_current_nodes:
    description: Remove nodes that are not in O(workflow_nodes).
    type: bool
    default: false
    aliases: [destroy_current_schema]
seealso:
  - module: jobpods.controller.workflow_job
"""

EXAMPLES = r"""
- name: Have a workflow
  jobpods.controller.workflow_job_template:
    name: release
    organization: Operations
    workflow_nodes:
      - identifier: fetch
        unified_job_template: {name: website, type: project}
        related:
          success_nodes:
            - identifier: deploy
      - identifier: deploy
        unified_job_template: {name: deploy website, type: job_template}
        related:
          failure_nodes:
            - identifier: roll back
      - identifier: roll back
        unified_job_template: {name: roll website back, type: job_template}
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
    """Manage workflow job templates."""
    run_module(
        "workflow_job_template", AnsibleModule(ARGUMENTS["workflow_job_template"], supports_check_mode=True)
    )


if __name__ == "__main__":
    main()
