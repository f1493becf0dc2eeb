#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: project
short_description: Manage projects
version_added: 0.1.0
description:
  - A project is a folder of playbooks, on the controller or from source control. What a launch of it sends to
    the pod is one revision, whole.
  - With a project goes what its updates have brought to this controller. The folder of a V(manual) project
    stays as it is.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.named_object.organization
  - jobpods.controller.store
options:
  scm_type:
    description:
      - Where the project is from. V(manual) is the folder O(local_path) of the controller, V(git) a
        repository, and V(archive) a tar or zip file.
    type: str
    choices: [manual, git, archive]
  local_path:
    description: An absolute folder on the controller, of a V(manual) project.
    type: path
  scm_url:
    description: URL of the repository or archive.
    type: str
  scm_branch:
    description: Branch, tag or commit; without it, the repository's own default branch.
    type: str
  scm_refspec:
    description: A further refspec to fetch, for example C(refs/pull/*:refs/remotes/origin/pull/*).
    type: str
  credential:
    description: Name or id of a C(source_control) credential.
    type: str
  scm_clean:
    description: Throw away what an earlier update fetched, and fetch it anew.
    type: bool
  scm_track_submodules:
    description: Take submodules along, at the newest commit of their branch.
    type: bool
  scm_update_on_launch:
    description: Update before each job that uses the project.
    type: bool
  scm_update_cache_timeout:
    description: Seconds after an update for which O(scm_update_on_launch) finds it new enough.
    type: int
  allow_override:
    description: Whether job templates, and those who launch them, may name another branch.
    type: bool
  timeout:
    description: Seconds that an update may take; V(0) is no limit.
    type: int
    aliases: [job_timeout]
  default_environment:
    description: Name or id of the execution environment of jobs of this project that name none.
    type: str
seealso:
  - module: jobpods.controller.project_update
  - module: jobpods.controller.job_template
"""

EXAMPLES = r"""
- name: Have a project in git
  jobpods.controller.project:
    name: website
    organization: Operations
    scm_type: git
    scm_url: https://git.example.com/website.git
    scm_branch: main
    scm_update_on_launch: true
    scm_update_cache_timeout: 60

- name: Have a project that is a folder
  jobpods.controller.project:
    name: local playbooks
    scm_type: manual
    local_path: /srv/playbooks
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
    """Manage projects."""
    run_module("project", AnsibleModule(ARGUMENTS["project"], supports_check_mode=True))


if __name__ == "__main__":
    main()
