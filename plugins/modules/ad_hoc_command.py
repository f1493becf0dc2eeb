#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ad_hoc_command
short_description: Run one module in a Kubernetes pod
version_added: 0.1.0
description:
  - Starts a pod, runs one module on the hosts of an inventory in it, shows its output as it happens, and
    returns how it ended, as M(jobpods.controller.container_group_job) does with a playbook.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.launched_in_pod
  - jobpods.controller.launched_in_pod.limits
  - jobpods.controller.store
attributes:
  check_mode:
    support: partial
    details: The pod is started, and the module runs in check mode in it.
  diff_mode:
    support: partial
    details: The module runs in diff mode; its differences are in its output.
  idempotent:
    support: partial
    details: Each call is a job of its own; whether it changes hosts again is up to the module.
options:
  module_name:
    description: The module to run; one that the execution environment has.
    type: str
    default: command
  module_args:
    description:
      - The arguments of the module, as in C(ansible -a); the modules C(command) and C(shell) need some. They
        can be seen in the list of processes of the pod, as always with ad hoc commands; a secret belongs into
        O(extra_vars), and its name in braces here.
    type: str
    default: ''
  inventory:
    description:
      - The hosts. The name or id of a stored inventory, a path of a file or folder (a file brings
        C(group_vars) and C(host_vars) beside it along), a mapping as the YAML inventory has it, or hosts
        with commas (V(web1,web2), V(web1,)).
      - V(current) is the inventory of the calling play, with the variables of its hosts and groups as they
        are written; no facts, and nothing that was registered. A C(--limit) of C(ansible-playbook) does not
        count here; see O(limit).
      - In a mapping, all variables are data, as in O(extra_vars); a template that is left in one, for
        example because it is part of a fact, is not evaluated in the pod. Templates for the pod belong into
        an inventory file.
      - A source that can't be parsed ends the job, here or in the pod.
    type: raw
    required: true
  organization:
    description: Name or id of an organization; chooses between stored objects of the same name, and whose
      container groups are used where neither O(container_group) nor the inventory says any.
    type: str
  container_group:
    description:
      - Where the command runs. The name or id of a stored container group, or a mapping
        with the options I(kubeconfig), I(context), I(host), I(api_key), I(verify_ssl), I(ssl_ca_cert),
        I(namespace), I(pod_spec_override), I(warm_pods), I(warm_pod_ttl), I(pod_pending_timeout),
        I(image_pull_timeout) and I(cluster_outage_timeout) of M(jobpods.controller.container_group), and
        I(execution_environment) as O(execution_environment).
      - The connection of such a mapping comes from one source only, these options or the environment, and is
        never mixed. It is the options I(kubeconfig), I(context), I(host), I(api_key), I(verify_ssl) and
        I(ssl_ca_cert), if any is given; else the E(K8S_AUTH_KUBECONFIG), E(K8S_AUTH_CONTEXT),
        E(K8S_AUTH_HOST), E(K8S_AUTH_API_KEY), E(K8S_AUTH_VERIFY_SSL) and E(K8S_AUTH_SSL_CA_CERT) variables;
        else the file of E(KUBECONFIG), or C(~/.kube/config); else the service account of the pod that
        C(ansible-playbook) runs in. C(-v) shows which it was.
      - Without it and O(instance_groups), the command runs in the groups of its stored inventory and the
        inventory's organization; else, with an inventory that is not stored, by the environment's connection
        in the namespace V(default).
    type: raw
  instance_groups:
    description:
      - Names or ids of stored container groups, in order; the command runs in the first with room, and waits
        while none has any.
      - A group that will not do, for example since its kubeconfig is not there, is passed over with a
        warning, unless that is all of them.
      - Excludes O(container_group).
    type: list
    elements: str
  name:
    description: What to call the command, in one line of at most 512 characters; without it, the module.
    type: str
  credential:
    description:
      - The machine credential; a stored one's name or id, or a mapping with C(credential_type) and C(inputs)
        as M(jobpods.controller.credential) has them.
    type: raw
  extra_vars:
    description: Variables that O(module_args) may use. They are data; a template that is left in one is not
      evaluated in the pod.
    type: dict
  verbosity:
    description: Of the module in the pod.
    type: int
    choices: [0, 1, 2, 3, 4, 5]
  job_type:
    description: V(check) runs the module in check mode, as does check mode of the calling play.
    type: str
    choices: [run, check]
  become_enabled:
    description: Runs the module with C(--become).
    type: bool
  timeout:
    description: Seconds that the module may run, counted in the pod; V(0) is no limit.
    type: int
  execution_environment:
    description:
      - The image of this command; it wins over the container group's. The name or id of a stored execution
        environment, or a mapping with C(image), the reference of an image with C(python3) and
        C(ansible-runner), C(pull) (V(always), V(missing) or V(never); without it, Kubernetes' default for
        the image's tag counts), and C(credential), a C(container_registry) credential, as in O(credential).
    type: raw
  wait:
    description: Waits for the job's end. With V(false) the module returns when the job is stored.
    type: bool
    default: true
seealso:
  - module: jobpods.controller.container_group_job
  - module: jobpods.controller.job_relaunch
"""

EXAMPLES = r"""
- name: Look whether all hosts answer
  jobpods.controller.ad_hoc_command:
    module_name: ping
    inventory: Production

- name: See how full the disks are
  jobpods.controller.ad_hoc_command:
    module_args: df -h /
    inventory: Production
    limit: db
    credential: deploy key
  register: disks
"""

RETURN = r"""
changed:
  description: Whether the module changed anything; true, too, where that can't be known.
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
  description: What the command printed, at most its last MiB.
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
    """Run an ad hoc command."""
    run_module("ad_hoc_command", AnsibleModule(ARGUMENTS["ad_hoc_command"], supports_check_mode=True))


if __name__ == "__main__":
    main()
