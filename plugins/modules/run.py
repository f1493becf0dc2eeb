#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run
short_description: Run the playbook of a command line in a Kubernetes pod
version_added: 0.1.0
description:
  - What the playbook C(jobpods.controller.run) does. With C(-e playbook=site.yml), C(ansible-playbook) runs
    C(site.yml) by it in a pod, as it would run it here. In playbooks, use
    M(jobpods.controller.container_group_job).
  - The options are extra variables (C(-e NAME=VALUE), C(-e '{"NAME"':' VALUE}') or C(-e @FILE)). All other
    extra variables are for the playbook in the pod.
  - The inventory is that of C(-i) or C(ansible.cfg). It is read here, and sent to the pod.
  - C(--limit), C(--tags), C(--skip-tags), C(--check), C(--diff), C(--forks), C(--become) and C(-v) mean what
    they always mean; so do C(--user), C(--private-key), C(--ask-pass), C(--become-user), C(--become-method),
    C(--ask-become-pass), and the options for passwords of Ansible Vault, with which the pod reads what is
    vaulted in the project. Keys of an SSH agent or of C(~/.ssh) are not sent.
  - With C(--syntax-check), C(--list-hosts), C(--list-tasks) and C(--list-tags) Ansible looks at the playbook
    here, without a pod.
  - C(--step) is not possible, since nobody can answer in a pod; in place of C(--start-at-task) there is
    O(start_at_task). Options that can be said in the inventory or the playbook only are refused with a hint
    where.
  - The exit status of C(ansible-playbook) is that of the playbook, 2 where hosts failed, and 4 where hosts
    could not be reached. It is 2 where the job itself failed.
author:
  - the jobpods developers (@jobpods)
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.launched_in_pod.limits
attributes:
  check_mode:
    support: partial
    details: The pod is started, and the playbook runs in check mode in it.
  diff_mode:
    support: partial
    details: The playbook runs in diff mode; its differences are in its output.
  idempotent:
    support: partial
    details: Each call is a job of its own; whether it changes hosts again is up to the playbook.
options:
  playbook:
    description: The playbook's path, from the current folder; with O(project), its path there.
    type: str
    required: true
  project:
    description:
      - The folder with the playbook, and all that it uses. It is sent to the pod whole, without C(.git). Or
        the name of a stored project, see M(jobpods.controller.project).
      - Without it, it is the current folder, if the playbook is below it and C(ansible.cfg), C(roles),
        C(collections) or C(.git) is in it; else the first folder on the way from there to the playbook of
        which this is true; else the playbook's own. A home folder is never sent unless it is given here.
    type: path
  scm_branch:
    description: Another branch, tag or commit of a stored project, which must allow that.
    type: str
  container_group:
    description:
      - The name of a stored container group, or a mapping of its options as in
        O(jobpods.controller.container_group_job#module:container_group).
      - Without it, the connection is that of the C(K8S_AUTH_*) variables, of E(KUBECONFIG) or
        C(~/.kube/config), or of the pod that C(ansible-playbook) runs in.
    type: raw
  pod_namespace:
    description: The namespace of the pod, where O(container_group) does not say it; without both, V(default).
    type: str
  instance_groups:
    description: Names of stored container groups, in order; the job runs in the first with room.
    type: list
    elements: str
  execution_environment:
    description:
      - The image of the pod, like V(quay.io/ansible/awx-ee:latest), or the name of a stored execution
        environment, or a mapping as in
        O(jobpods.controller.container_group_job#module:execution_environment).
    type: raw
  credentials:
    description:
      - More secrets for the playbook, as in O(jobpods.controller.container_group_job#module:credentials);
        names may be separated by commas.
      - The command line's are credentials, too, so that of each kind there may be one here or there.
    type: list
    elements: raw
  extra_vars:
    description: Extra variables for the playbook in the pod that have the name of one of these options.
    type: dict
  start_at_task:
    description: Name of the first task to run.
    type: str
  job_timeout:
    description: Seconds that the playbook may run, counted in the pod; V(0) is no limit.
    type: int
  job_slice_count:
    description: Split the hosts into so many jobs, which run at once, each in a pod of its own.
    type: int
  retry_on_node_loss:
    description: Whether the playbook is started again where its pod is lost after it may have begun.
    type: bool
    default: false
  keep_pod:
    description: Whether the pod stays after the job's end, for people to look into it.
    type: str
    choices: [never, on_failure, always]
    default: never
  keep_pod_ttl:
    description: Seconds for which O(keep_pod) keeps the pod.
    type: int
    default: 3600
notes:
  - Jobs are kept where the E(JOBPODS_DATABASE_URL), E(JOBPODS_SECRET_KEY_FILE) and E(JOBPODS_DATA_DIR)
    variables say, as for all modules.
  - Roles and collections are those of the project and of the image, not those installed here. Environment
    variables are not sent.
  - C(PLAY RECAP) is seen twice, once for the playbook in the pod, and once for C(localhost), or the first
    host of C(--limit), which has launched it.
seealso:
  - module: jobpods.controller.container_group_job
"""

EXAMPLES = r"""
# ansible-playbook -i inventory jobpods.controller.run -e playbook=site.yml --limit web --check --diff
#
# ansible-playbook -i inventory jobpods.controller.run -e playbook=site.yml -e @pods.yml, with pods.yml:
#
#   container_group:
#     kubeconfig: ~/.kube/jobs
#     namespace: jobs
#   execution_environment: quay.io/ansible/awx-ee:latest

- name: What the playbook does
  jobpods.controller.run:
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: How the job ended, in a sentence or two.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """Run the playbook of a command line in a Kubernetes pod."""
    run_module("run", AnsibleModule(ARGUMENTS["run"], supports_check_mode=True))


if __name__ == "__main__":
    main()
