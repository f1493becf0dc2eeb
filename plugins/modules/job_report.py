#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_report
short_description: Write the report of a job as an HTML page
version_added: 0.1.0
description:
  - Writes one HTML file that shows a job in any browser, also where there is no network. It has how the job
    ended and why, its pods and tasks over time, the recap of its hosts, its slowest tasks, its failures, and
    its output with colours.
  - A sliced job or a workflow job has a part for each of its slices or for the job of each of its nodes.
  - The page can do nothing but show itself. It loads nothing, and whatever the job has printed is only text
    in it.
  - What C(no_log) has hidden in the job's output stays hidden. All else that the playbook has printed can be
    read in the page, so give it only to people who may read that.
  - The page has a limited size, and says what it leaves out. There are no more than 100 jobs in it, and the
    200 longest tasks, 500 hosts and 100 failures of a single job. Where there are several jobs, each has its
    share of that.
  - The report of a job that has not ended shows how it is now.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Two pages are hardly to be compared line by line.
  idempotent:
    support: full
    details: While the job goes on, each report of it is another one.
options:
  job_id:
    description: The job's number.
    type: int
    required: true
    aliases: [id]
  dest:
    description:
      - The file on the controller node that is written. A relative path begins at the playbook's folder.
      - In a folder that is there, or that is named with a slash at the end, the file is C(job-12.html) for
        job 12.
      - A file that is there is replaced as a whole, and only where it would change.
    type: path
    required: true
    aliases: [path]
  mode:
    description: The file's permissions, as an octal number in quotes.
    type: raw
    default: "0600"
  max_output_size:
    description:
      - How much of the output the page has, in bytes of HTML; of all jobs in it together. Where there is more
        of it, the beginning and the end are shown.
    type: bytes
    default: 4M
seealso:
  - module: jobpods.controller.job_info
"""

EXAMPLES = r"""
- name: Write the report of a job beside the playbook
  jobpods.controller.job_report:
    job_id: 12
    dest: report.html

- name: Run a playbook in a pod, and write its report also where it failed
  block:
    - name: Run it
      jobpods.controller.container_group_job:
        project: ./project
        playbook: site.yml
        inventory: current
      register: site
  always:
    - name: Write the report where the web server has it
      jobpods.controller.job_report:
        job_id: "{{ site.job.id }}"
        dest: /var/www/reports/
        mode: "0644"
      when: site.job.id is not none
"""

RETURN = r"""
dest:
  description: The file.
  returned: success
  type: str
size:
  description: Bytes of the page.
  returned: success
  type: int
jobs:
  description: How many jobs have a part of the page.
  returned: success
  type: int
left_out:
  description:
    - What the page does not have, for its size. These are numbers of C(jobs), C(lines) of output, C(tasks),
      C(hosts) and C(failures).
  returned: success
  type: dict
failure:
  description: Why no report could be written, with C(reason), C(message) and C(hint).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Write the report of a job."""
    run_module("job_report", AnsibleModule(ARGUMENTS["job_report"], supports_check_mode=True))


if __name__ == "__main__":
    main()
