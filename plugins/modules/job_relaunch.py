#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_relaunch
short_description: Launch a job again
version_added: 0.1.0
description:
  - Launches again what a job was, with the options that it was launched with, and with what the stored
    objects are now. A slice is launched again by itself; with O(hosts=failed) its failed hosts, in whichever
    slice they would be now.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: partial
    details: As with the module that launched the job first.
  diff_mode:
    support: partial
    details: As with the module that launched the job first.
  idempotent:
    support: partial
    details: Each call is a job of its own.
options:
  job_id:
    description: The job's number.
    type: int
    required: true
    aliases: [id]
  hosts:
    description: V(failed) launches a job or ad hoc command only on those hosts that failed or could not be
      reached.
    type: str
    default: all
    choices: [all, failed]
  wait:
    description: Waits for the job's end. With V(false) the module returns when the job is stored.
    type: bool
    default: true
seealso:
  - module: jobpods.controller.container_group_job
  - module: jobpods.controller.job_info
"""

EXAMPLES = r"""
- name: Try those hosts again that failed
  jobpods.controller.job_relaunch:
    job_id: "{{ site.job.id }}"
    hosts: failed
"""

RETURN = r"""
changed:
  description: Whether the job changed anything; true, too, where that can't be known.
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
stdout:
  description: What the job printed, at most its last MiB.
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
    """Launch a job again."""
    run_module("job_relaunch", AnsibleModule(ARGUMENTS["job_relaunch"], supports_check_mode=True))


if __name__ == "__main__":
    main()
