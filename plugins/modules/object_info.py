#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: object_info
short_description: Look at stored objects
version_added: 0.1.0
description:
  - Lists stored objects of one kind.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
options:
  kind:
    description: The kind of the objects, as their module is called.
    type: str
    required: true
    choices:
      - container_group
      - credential
      - execution_environment
      - inventory
      - inventory_source
      - job_template
      - organization
      - project
      - workflow_job_template
    aliases: [type]
  name:
    description: List only the objects of this name.
    type: str
  organization:
    description: List only the objects of this organization, by its name or id.
    type: str
  filters:
    description: List only the objects whose options have these values; objects that they refer to are named.
    type: dict
    default: {}
seealso:
  - module: jobpods.controller.job_info
"""

EXAMPLES = r"""
- name: List the job templates of a project
  jobpods.controller.object_info:
    kind: job_template
    filters:
      project: website
  register: templates

- name: See what runs in a container group
  jobpods.controller.object_info:
    kind: container_group
    name: prod
"""

RETURN = r"""
objects:
  description:
    - The objects, by name, with V($encrypted$) for secrets. Each has its C(id), its C(name) and all its
      options.
    - A container group also has C(jobs_running), C(consumed_forks), C(jobs) (the C(id), C(name), C(type),
      C(status), C(pod_name) and C(controller_node) of each job that runs in it) and C(controller_nodes) (the
      hosts that supervise them). A job counts with its forks, or its hosts where these are fewer, and one
      more; its hosts are only counted where a group that it may run in has C(max_forks), or it is sliced.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Look at stored objects."""
    run_module("object_info", AnsibleModule(ARGUMENTS["object_info"], supports_check_mode=True))


if __name__ == "__main__":
    main()
