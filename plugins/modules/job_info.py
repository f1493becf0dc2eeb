#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_info
short_description: Look at jobs
version_added: 0.1.0
description:
  - Returns what is known of one job, or of many, whichever process or controller launched them.
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
  job_id:
    description: The job's number; without it, all jobs are listed.
    type: int
    aliases: [id]
  status:
    description: List only jobs with this status.
    type: str
    choices: [new, pending, waiting, running, successful, failed, error, canceled]
  limit:
    description: List at most so many, the newest first.
    type: int
    default: 100
seealso:
  - module: jobpods.controller.container_group_job
"""

EXAMPLES = r"""
- name: Look at a job
  jobpods.controller.job_info:
    job_id: 12
  register: found

- name: List the jobs that run now
  jobpods.controller.job_info:
    status: running
"""

RETURN = r"""
jobs:
  description:
    - The jobs, each as RV(jobpods.controller.container_group_job#module:job). Of one that runs, C(status) and
      C(status_since), C(event_count) and C(pod_name) are what it is doing now. Of one that has not come to
      its first task yet, the last entry of C(start) says what it waits for, and since when.
    - With O(job_id), the one job has C(current_task), too, the name of the task that runs; empty where none
      does.
  returned: success
  type: list
  elements: dict
stdout:
  description: What the playbook of the one job printed up to now, at most its last MiB.
  returned: with O(job_id)
  type: str
stdout_truncated:
  description: Whether something before RV(stdout) was left out; it is kept with the job.
  returned: with O(job_id)
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Look at jobs."""
    run_module("job_info", AnsibleModule(ARGUMENTS["job_info"], supports_check_mode=True))


if __name__ == "__main__":
    main()
