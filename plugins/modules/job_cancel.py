#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_cancel
short_description: Cancel a job
version_added: 0.1.0
description:
  - Asks the job process that owns a job to cancel it, and waits until it has, and the pod is gone. Ansible
    gets the job's C(cancel_grace) to stop by itself, and the output up to then is kept.
  - Where the pod can't be deleted within O(timeout), because the cluster can't be reached, the job is
    canceled all the same. The message says why, and the deletion is tried again.
  - A pod that is kept, by C(keep_pod=always) of the job, is not waited for.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: There is nothing to compare.
  idempotent:
    support: full
options:
  job_id:
    description: The job's number.
    type: int
    required: true
    aliases: [id]
  fail_if_not_running:
    description: Fail where the job has already ended, or ends by itself before the cancel reaches it.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for the job's end and the pod's. The request stays when they are over.
    type: int
    default: 60
seealso:
  - module: jobpods.controller.container_group_job
"""

EXAMPLES = r"""
- name: Cancel a job
  jobpods.controller.job_cancel:
    job_id: 12
"""

RETURN = r"""
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
  description: What the playbook printed, at most its last MiB.
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
    """Cancel a job."""
    run_module("job_cancel", AnsibleModule(ARGUMENTS["job_cancel"], supports_check_mode=True))


if __name__ == "__main__":
    main()
