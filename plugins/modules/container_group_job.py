#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_group_job
short_description: Run a playbook in a Kubernetes pod
version_added: 0.1.0
description:
  - Starts a pod in a Kubernetes or OpenShift cluster, runs a playbook in it with C(ansible-runner), shows
    its output as it happens, and returns how it ended. The pod is deleted at the end, however the job ends,
    unless O(keep_pod) says otherwise.
  - The words are AWX's. A I(container group) is a connection to a cluster, a namespace and a pod spec.
  - When the calling C(ansible-playbook) is stopped, by whatever, an attached job (O(wait=true)) is cancelled
    and its pod deleted.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.launched_in_pod
  - jobpods.controller.launched_in_pod.limits
  - jobpods.controller.store
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
  job_template:
    description:
      - Name or id of the stored job template to launch. What the template asks for at launch can be said by
        the other options; any other of them is refused.
      - Without it, O(project), O(playbook) and O(inventory) define the job.
    type: str
  container_group:
    description:
      - Where a job without O(job_template) runs. The name or id of a stored container group, or a mapping
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
      - Without it, the environment's connection and the namespace V(default) are used.
    type: raw
  instance_groups:
    description:
      - Names or ids of stored container groups, in order; the job runs in the first with room, and waits
        while none has any. With O(job_template), they replace the groups of the template, its inventory and
        its organization.
      - A group that will not do, for example since its kubeconfig is not there, is passed over with a
        warning, unless that is all of them.
      - Excludes O(container_group).
    type: list
    elements: str
  organization:
    description:
      - Name or id of an organization; chooses between stored objects of the same name.
      - Without it, what is given with O(job_template) is looked up in the template's own organization first.
    type: str
  name:
    description: What to call the job, in one line of at most 512 characters; without it, the playbook's
      path. A template is named by O(job_template).
    type: str
  project:
    description:
      - The folder with the playbook, and all that it uses. It is sent to the pod whole, without C(.git).
      - Relative paths are looked up from the calling playbook's folder. A text without a slash that is no
        file or folder is the name or id of a stored project.
    type: path
  scm_branch:
    description: Another branch, tag or commit of a stored project, which must allow that.
    type: str
  playbook:
    description: Path of the playbook in the project.
    type: str
  inventory:
    description:
      - The playbook's inventory. A path of a file or folder (a file brings C(group_vars) and C(host_vars)
        beside it along), a mapping as the YAML inventory has it, or hosts with commas (V(web1,web2),
        V(web1,)).
      - V(current) is the inventory of the calling play, with the variables of its hosts and groups as they
        are written; no facts, and nothing that was registered. A C(--limit) of C(ansible-playbook) does not
        count here; see O(limit).
      - In a mapping, all variables are data, as in O(extra_vars); a template that is left in one, for
        example because it is part of a fact, is not evaluated in the pod. Templates for the pod belong into
        an inventory file.
      - A source that can't be parsed ends the job, here or in the pod.
    type: raw
  extra_vars:
    description:
      - Extra variables, which also answer the playbook's C(vars_prompt). They are data, as in AWX; a
        template that is left in one is not evaluated in the pod.
    type: dict
  credentials:
    description:
      - The secrets that the playbook needs; they are sent to the pod by the connection, never in the pod's
        spec. Each is the name or id of a stored credential, or a mapping with C(credential_type) and
        C(inputs) as M(jobpods.controller.credential) has them, of type V(machine) or V(vault).
      - There is at most one machine credential, and one vault credential for each vault id. With
        O(job_template), each takes the place of the template's own of its type and vault id.
    type: list
    elements: raw
    aliases: [credential]
  tags:
    description: Only tasks with these tags.
    type: list
    elements: str
    aliases: [job_tags]
  skip_tags:
    description: No tasks with these tags.
    type: list
    elements: str
  start_at_task:
    description: Name of the first task to run.
    type: str
  verbosity:
    description: Of the playbook in the pod.
    type: int
    choices: [0, 1, 2, 3, 4, 5]
  job_type:
    description: V(check) runs the playbook in check mode, as does check mode of the calling play.
    type: str
    choices: [run, check]
  become_enabled:
    description: Runs the playbook with C(--become).
    type: bool
  timeout:
    description: Seconds that the playbook may run, counted in the pod; V(0) is no limit.
    type: int
    aliases: [job_timeout]
  job_slice_count:
    description:
      - Split the hosts into so many jobs, which run at once, each in a pod of its own. Hosts are sorted by
        name, and each job takes every so manyth of them. There are no more jobs than hosts.
      - Where the inventory has no hosts it is refused. Said by a job template, it makes a plain job then.
      - RV(job.slices) has what became of each.
    type: int
  execution_environment:
    description:
      - The image of this job; it wins over the container group's. The name or id of a stored execution
        environment, or a mapping with C(image), the reference of an image with C(python3) and
        C(ansible-runner), C(pull) (V(always), V(missing) or V(never); without it, Kubernetes' default for the
        image's tag counts), and C(credential), the name or id of a stored C(container_registry) credential,
        or a mapping as in O(credentials), for images of a private registry. See
        M(jobpods.controller.execution_environment) for what becomes of it.
    type: raw
  wait:
    description:
      - Waits for the job's end. With V(false) the module returns when the job is stored, and the job goes on
        without C(ansible-playbook); see M(jobpods.controller.job_wait), M(jobpods.controller.job_info) and
        M(jobpods.controller.job_cancel).
    type: bool
    default: true
notes:
  - Nobody can answer a question in a pod, so a playbook that asks one waits until O(timeout), or for ever
    without it. Variables of C(vars_prompt) can be given in O(extra_vars), and then are not asked for; a
    C(pause) with a C(prompt) has no answer.
  - What the playbook prints, and the variables that it sets with C(set_stats), can be read by whoever may
    read the pod's log.
seealso:
  - module: jobpods.controller.job_wait
  - module: jobpods.controller.job_info
  - module: jobpods.controller.job_cancel
"""

EXAMPLES = r"""
- name: Run a playbook in a pod
  jobpods.controller.container_group_job:
    container_group:
      kubeconfig: ~/.kube/config
      namespace: jobs
      execution_environment:
        image: quay.io/ansible/awx-ee:latest
    project: ./project
    playbook: site.yml
    inventory: ./inventory
    credentials:
      - credential_type: machine
        inputs:
          username: deploy
          ssh_key_data: "{{ lookup('ansible.builtin.file', '~/.ssh/deploy') }}"
  register: site

- name: Run it for the hosts of this play, with more memory for the pod
  jobpods.controller.container_group_job:
    container_group:
      namespace: jobs
      pod_spec_override:
        spec:
          containers:
            - name: worker
              image: quay.io/ansible/awx-ee:latest
              resources:
                requests: {cpu: 500m, memory: 512Mi}
    project: ./project
    playbook: site.yml
    inventory: current
    limit: web

- name: Start a long job and go on
  jobpods.controller.container_group_job:
    container_group:
      namespace: jobs
    project: ./project
    playbook: backup.yml
    inventory: db1,
    wait: false
  register: backup

- name: Wait for it later
  jobpods.controller.job_wait:
    job_id: "{{ backup.job.id }}"
    timeout: 3600
"""

RETURN = r"""
changed:
  description: >-
    Whether the playbook changed anything; true, too, where that can't be known: with O(wait=false), and
    where the job broke off after its start.
  returned: always
  type: bool
job:
  description: The job, whether it ended well or not.
  returned: always
  type: dict
  contains:
    id:
      description: Its number; null where the launch was refused before a job was made.
      type: int
    type:
      description:
        - V(job), V(ad_hoc_command), V(workflow_job), V(project_update) or V(inventory_update). A sliced job
          is a V(workflow_job).
      type: str
    name:
      description: Its name.
      type: str
    status:
      description: V(pending), V(waiting), V(running), V(successful), V(failed), V(error) or V(canceled).
      type: str
    status_since:
      description: Since when it has this status, UTC; null where no job was made.
      type: str
    failure:
      description: Why it did not succeed, else null.
      type: dict
      contains:
        reason:
          description: One of the reasons in the documentation, for example V(ImagePull).
          type: str
        message:
          description: What happened, in one sentence.
          type: str
        phase:
          description:
            - V(preparing), V(connecting), V(creating), V(pending), V(running), V(playbook) or V(user).
          type: str
        http_status:
          description: The API server's answer, where there was one.
          type: int
        retryable:
          description: Whether the same launch may succeed later.
          type: bool
        hint:
          description: What to do.
          type: str
        details:
          description: Facts for programs, for example the failed hosts and tasks of a playbook.
          type: dict
    job_explanation:
      description: The failure's message, or what a pending job waits for.
      type: str
    result_traceback:
      description: The cluster's or the worker's own words.
      type: str
    container_group:
      description: Name of the stored container group; null for one that was given inline.
      type: str
    namespace:
      description: The pod's.
      type: str
    pod_name:
      description: The pod's; empty where none was made.
      type: str
    execution_node:
      description: The node that the pod ran on.
      type: str
    start:
      description:
        - What the start of the job went through, up to its playbook's first task, and how long each took; of
          its last attempt. The phase that a job is in now is the last one.
        - Empty where the job is so new that nothing is stored of it yet.
      type: list
      elements: dict
      contains:
        phase:
          description:
            - >-
              V(queued): until the job has its place, its project and inventory are up to date, and are read.
              There is one for each thing that it waits for.
            - >-
              V(creating): until the API server has made the pod, or a warm pod is claimed and answers.
            - >-
              V(quota): as long as a quota leaves no room for the pod.
            - >-
              V(scheduling): until a node is found.
            - >-
              V(starting): until the container runs; or V(pulling), where that took longer than a second or
              two because the node pulled the image. Without a pod, until the supervisor answers.
            - >-
              V(connecting): from there on until the supervisor answers, where that was not at once.
            - >-
              V(sending): until the payload has arrived, and C(ansible-runner) is started.
            - >-
              V(playbook): until the first task begins.
          type: str
        at:
          description: When it began, UTC.
          type: str
        seconds:
          description: How long it lasted, or has lasted up to now.
          type: float
        detail:
          description:
            - What was waited for, or what came of it, such as the group that is full, the quota, the node,
              the kubelet's words about the image, the name of the first task.
          type: str
    resources:
      description:
        - What the job used, beside what its pod asks for; null before its end, and where nothing was
          measured. It is measured in the pod, by the container's own cgroup, about once a second.
        - A run on C(controlplane) has the memory of its largest process, and no C(cpu_p95).
      type: dict
      contains:
        memory_peak:
          description:
            - Bytes of memory that were in use at most, without what the kernel could drop of its file cache;
              null where the container does not tell.
          type: int
        cpu_p95:
          description: CPUs, which the job did not exceed for 95 % of its time; null where that is not known.
          type: float
        cpu_seconds:
          description: CPU time; null where that is not known.
          type: float
        requests:
          description: What the worker container requests, with the defaults of the namespace.
          type: dict
        limits:
          description: Its limits.
          type: dict
        suggested_requests:
          description:
            - Requests that would fit this job, V(memory) from C(memory_peak) and V(cpu) from C(cpu_p95), each
              with 25 % to spare. One that was killed for want of memory would have used more than its limit.
          type: dict
    attempts:
      description:
        - The pods that the job was tried in, in their order. There is more than one where pods were lost
          before the playbook can have begun, or later with O(retry_on_node_loss).
        - The output and the events are those of the last one only.
      type: list
      elements: dict
      contains:
        attempt:
          description: Its number, from 1.
          type: int
        pod_name:
          description: The pod's.
          type: str
        execution_node:
          description: The node that the pod was on; empty where that is not known.
          type: str
        started:
          description: When the playbook was started in it, UTC; null where it never was.
          type: str
        finished:
          description: When it ended, UTC.
          type: str
        reason:
          description: Why it ended too early, one of the reasons in the documentation; else empty.
          type: str
        message:
          description: The same in one sentence.
          type: str
        start:
          description: What its start went through, as C(start) of RV(job).
          type: list
          elements: dict
    controller_node:
      description: Host name of the controller.
      type: str
    pod_kept_until:
      description: Until when the pod is kept for people to look into it, UTC; null for one that is not kept.
      type: str
    started:
      description: When the playbook was started, UTC.
      type: str
    finished:
      description: When the job ended, UTC.
      type: str
    elapsed:
      description: Seconds between these.
      type: float
    host_status_counts:
      description:
        - How many hosts ended C(ok), C(changed), C(failed), C(unreachable) and C(skipped), each counted
          once.
      type: dict
    event_count:
      description: Number of job events.
      type: int
    artifacts:
      description: What the playbook set with C(set_stats).
      type: dict
    slices:
      description: The jobs of a sliced job or a workflow, in the same form, with those within them.
      type: list
      elements: dict
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
    """Launch a job."""
    run_module(
        "container_group_job", AnsibleModule(ARGUMENTS["container_group_job"], supports_check_mode=True)
    )


if __name__ == "__main__":
    main()
