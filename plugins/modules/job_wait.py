#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_wait
short_description: Wait for a job's end
version_added: 0.1.0
description:
  - Waits until a job has ended, shows its output meanwhile, and returns its result. The job itself goes on
    when this is stopped.
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
    description: The job's number.
    type: int
    required: true
    aliases: [id]
  timeout:
    description: Seconds to wait; V(0) is no limit.
    type: int
    default: 0
seealso:
  - module: jobpods.controller.container_group_job
"""

EXAMPLES = r"""
- name: Wait at most an hour for a job
  jobpods.controller.job_wait:
    job_id: "{{ backup.job.id }}"
    timeout: 3600
"""

RETURN = r"""
job:
  description:
    - The job, as RV(jobpods.controller.container_group_job#module:job). The task fails where it was no
      success.
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
    """Wait for a job's end."""
    run_module("job_wait", AnsibleModule(ARGUMENTS["job_wait"], supports_check_mode=True))


if __name__ == "__main__":
    main()
