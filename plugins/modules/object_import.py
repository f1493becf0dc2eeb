#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: object_import
short_description: Import objects from AWX
version_added: 0.1.0
description:
  - Makes the objects that C(awx.awx.export) (or C(awx export)) wrote, each where what it needs is in the
    export or stored already. Objects that are there are made what the export says; what is imported again
    changes nothing.
  - Imported are organizations, credentials of the types that there are here, execution environments, projects
    (V(manual), V(git), V(archive)), inventories with their hosts and groups, inventory sources, job templates
    with surveys and credentials, and workflow job templates with their nodes.
  - RV(left_out) lists all that is not imported, and why. That are users, teams, roles, notifications,
    schedules, labels, applications, custom credential types and their credentials, smart and constructed
    inventories, approvals, and options that there are none of here.
  - Exports have no secrets. A credential keeps those that are stored already; others come from O(secrets).
    One that is without an input that its type needs is left out.
  - Something is left out, rather than imported as something else, where it would do more than in AWX. So
    disabled hosts are left out, inventory sources whose hosts are filtered, and with an approval of a
    workflow all nodes that only come after it. Job templates are left out that have container groups in AWX,
    of their own or of their inventory or organization, of which there are none here, since they would run in
    another group, or on the controller.
  - What a workflow's node prompts with, and what it runs does not ask for (any more), is left out, too. AWX
    keeps it, and ignores it.
  - Where something in a list can't be had (of C(instance_groups) or C(credentials)), what is in it already
    stays, so that what was added by hand is not lost by another import.
  - Exports don't say which instance groups there are, nor which of them an object has. You may add C(assets)
    of their own, C(instance_groups), with C(name), C(is_container_group), C(credential) (as in other assets),
    C(pod_spec_override), C(max_concurrent_jobs) and C(max_forks), and lists C(instance_groups) in the
    C(related) of organizations, inventories, templates and nodes. Container groups are imported then, but not
    tried on their clusters.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  assets:
    description: What C(awx.awx.export) returned in C(assets). Either this or O(path) is needed.
    type: dict
  path:
    description: A JSON or YAML file with the same.
    type: path
  secrets:
    description: Inputs of credentials, which the export has not. Each must fit one credential of the export.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The credential's name.
        type: str
        required: true
      organization:
        description: Its organization, where several credentials have the name.
        type: str
      credential_type:
        description: Its type, with AWX's name or ours, where several credentials have the name.
        type: str
      inputs:
        description: Inputs, as of M(jobpods.controller.credential). Those of the export need not be repeated.
        type: dict
        required: true
  projects_root:
    description:
      - The folder on the controller that the folders of manual projects lie in. In AWX it is the setting
        C(PROJECTS_ROOT).
    type: path
    default: /var/lib/awx/projects
seealso:
  - module: jobpods.controller.object_info
"""

EXAMPLES = r"""
- name: Export all objects of an AWX
  awx.awx.export:
    all: true
  register: awx

- name: See what would be imported, and what left out
  jobpods.controller.object_import:
    assets: "{{ awx.assets }}"
  check_mode: true
  register: trial

- name: Import them with a secret
  jobpods.controller.object_import:
    assets: "{{ awx.assets }}"
    secrets:
      - name: web servers
        organization: Operations
        inputs:
          ssh_key_data: "{{ lookup('ansible.builtin.file', '~/.ssh/deploy') }}"

- name: Import a file
  jobpods.controller.object_import:
    path: export.json
    projects_root: /srv/projects
"""

RETURN = r"""
created:
  description: The objects that were made, each with C(kind), C(name) and C(organization).
  returned: success
  type: list
  elements: dict
changed_objects:
  description: Those that were there and have changed.
  returned: success
  type: list
  elements: dict
unchanged:
  description: Those that were there, as the export has them.
  returned: success
  type: list
  elements: dict
left_out:
  description:
    - What of the export was not imported. Each has C(kind), C(name), C(organization), C(option) (what of the
      object; null for all of it) and C(why).
  returned: success
  type: list
  elements: dict
  sample:
    - kind: credential
      name: web servers
      organization: Operations
      option: inputs.ssh_key_data
      why: exports have no secrets; give it in secrets.
failure:
  description: Why nothing could be imported, with C(reason), C(message) and C(hint).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Import objects from AWX."""
    run_module("object_import", AnsibleModule(ARGUMENTS["object_import"], supports_check_mode=True))


if __name__ == "__main__":
    main()
