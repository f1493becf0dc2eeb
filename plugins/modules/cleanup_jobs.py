#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cleanup_jobs
short_description: Delete jobs that ended long ago
version_added: 0.1.0
description:
  - Deletes jobs that ended more than O(days) days ago from the database, with their events, and their folders
    in O(data_dir) on this controller. It does what AWX's management job C(cleanup_jobs) does.
  - What belongs to a job goes with it, and not before. These are the slices of a sliced job and the jobs of
    a workflow.
  - A job is kept while it, or one that belongs to it, has not ended or has a pod that is still to be
    deleted.
  - With jobs of the type V(project_update) go the folders in O(data_dir) of projects that were deleted, where
    something of them is left and was not used for O(days) days.
  - Few jobs are deleted in one transaction, so that others hardly have to wait. The file of an SQLite
    database does not shrink; new jobs take the place.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The result tells how many jobs are deleted.
  idempotent:
    support: full
options:
  days:
    description: Keep jobs for so many days after their end. V(0) keeps none that has ended.
    type: int
    default: 90
  job_types:
    description: Delete jobs of these types only. What belongs to such a job may be of any type.
    type: list
    elements: str
    choices: [job, ad_hoc_command, project_update, inventory_update, workflow_job]
    default: [job, ad_hoc_command, project_update, inventory_update, workflow_job]
seealso:
  - module: jobpods.controller.job_info
"""

EXAMPLES = r"""
- name: Keep jobs for a month
  jobpods.controller.cleanup_jobs:
    days: 30

- name: Keep updates of projects and inventories for a week
  jobpods.controller.cleanup_jobs:
    days: 7
    job_types: [project_update, inventory_update]
"""

RETURN = r"""
deleted:
  description: How many jobs were, or in check mode would be, deleted, by their types.
  returned: success
  type: dict
  sample:
    job: 12
    workflow_job: 3
events:
  description: How many events these jobs had.
  returned: success
  type: int
  sample: 4711
folders:
  description: How many of these jobs had a folder on this controller.
  returned: success
  type: int
  sample: 2
kept:
  description:
    - How many jobs are old enough and were kept all the same, with what belongs to them, since something of
      them still goes on or their folder can't be removed.
  returned: success
  type: int
  sample: 0
project_folders:
  description: How many folders of deleted projects on this controller were, or would be, removed.
  returned: success
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Delete jobs that ended long ago."""
    run_module("cleanup_jobs", AnsibleModule(ARGUMENTS["cleanup_jobs"], supports_check_mode=True))


if __name__ == "__main__":
    main()
