#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_group
short_description: Manage container groups
version_added: 0.1.0
description:
  - A container group is a connection to a Kubernetes or OpenShift cluster, a namespace and a pod spec, and
    how many jobs it takes at once.
  - The connection is from one source, never mixed. It is O(credential), or O(kubeconfig) and O(context), or
    O(host), O(api_key), O(verify_ssl) and O(ssl_ca_cert); else that of the environment in which a job is
    launched.
  - A pod spec is checked when it is saved, and tried on the cluster by a server-side dry run where the
    cluster can be reached, in check mode, too. Only one that the API server calls invalid is refused; where
    it can't be tried within 10 seconds, the group is saved, and a warning says why.
  - The group V(controlplane) is built in. Its jobs run on the controller node, without a pod; so only
    O(description), O(max_concurrent_jobs) and O(max_forks) can be set of it.
  - A group that is in use can't be deleted, neither while jobs run in it, nor while an organization, an
    inventory or a template lists it. The message names them.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.named_object
  - jobpods.controller.store
options:
  credential:
    description: Name or id of a C(kubernetes_bearer_token) credential.
    type: str
  kubeconfig:
    description:
      - Path of a kubeconfig on the controller, which each job reads anew; or its content as a mapping, which
        is kept encrypted.
    type: raw
  context:
    description: The context of the kubeconfig to use; without it, its current one.
    type: str
  host:
    description: URL of the API server, for example C(https://kubernetes.example.com:6443).
    type: str
  api_key:
    description: A bearer token that the API server accepts. It is kept encrypted.
    type: str
  verify_ssl:
    description: Whether the API server's certificate is checked; it is, unless this is V(false).
    type: bool
    aliases: [validate_certs]
  ssl_ca_cert:
    description: The certificates of the authorities to trust, as PEM text or the path of such a file.
    type: str
    aliases: [ca_cert]
  namespace:
    description: The pods' namespace; without it the one in O(pod_spec_override), else V(default).
    type: str
  pod_spec_override:
    description:
      - A Pod, as a mapping or as YAML or JSON text, that is merged over the default pod spec as AWX does,
        so an override made for AWX gives the same pod. Mappings are merged, lists replace; a null removes
        a default.
      - The container named C(worker), or else the first one, runs the job.
    type: raw
  execution_environment:
    description:
      - Name or id of the execution environment of jobs that name none; wins over the override's image.
    type: str
  max_concurrent_jobs:
    description:
      - So many jobs run in the group at once; V(0) is no limit. Work beyond goes to the next group, or
        waits.
    type: int
  max_forks:
    description:
      - The jobs that run in the group at once have so many forks together; V(0) is no limit. A job counts as
        its forks (5 where it says none), but no more than its hosts, plus 1.
    type: int
  warm_pods:
    description:
      - So many pods wait for jobs in the group, with the image pulled and the container started, so that jobs
        begin sooner. V(0) is none, which is the default.
      - They are made by the jobs themselves. The first job gets a new pod, and leaves this many warm ones
        behind; each later job claims one of them, and has another one made in its place, 5 seconds after its
        playbook's start or at its end. A job for which there is none gets a new pod, too.
      - All of a pool have the same pod spec. So jobs with execution environments of their own have pools of
        their own, each of this size; and where the group is changed, its next job deletes what waits with
        the former spec.
      - Each pod serves one job only. Jobs of other groups, of other controllers with another store, or in
        another namespace never get it.
      - An C(activeDeadlineSeconds) of O(pod_spec_override) counts from the claim on, and only from then on
        autoscalers are told to leave the pod on its node.
      - Waiting pods take what their spec requests of the cluster and of quotas. A job that a quota leaves no
        room for has all warm pods of its namespace deleted that wait.
      - It takes the right to patch pods, which AWX's documented role has and
        M(jobpods.controller.credential_test) looks for. Without it, a warning says so, and jobs get new pods.
      - Jobs whose execution environment has a credential for its registry get new pods. That login is in the
        cluster only as long as its job's pod.
    type: int
  warm_pod_ttl:
    description:
      - Seconds after which a warm pod ends that no job has claimed; V(600) where not given. So when a group
        is deleted or changed, or not used, none of its pods waits for longer.
      - A pod that has ended so uses nothing any more. The next job in its namespace whose group has warm pods
        removes what is left of it, as does C(kubectl delete pods -l jobpods.warm=idle), which also deletes
        those that wait, and harms no job.
    type: int
  pod_pending_timeout:
    description: Seconds from the first try to create a pod until the job runs in it; V(7200) where not given.
    type: int
  image_pull_timeout:
    description: Seconds from the first failed pull of the image; V(120) where not given.
    type: int
  cluster_outage_timeout:
    description: Seconds that the cluster may be away while a job runs in it; V(300) where not given.
    type: int
seealso:
  - module: jobpods.controller.credential
  - module: jobpods.controller.credential_test
  - module: jobpods.controller.container_group_job
"""

EXAMPLES = r"""
- name: Have a container group in a cluster
  jobpods.controller.container_group:
    name: prod
    credential: prod cluster
    namespace: jobs
    max_concurrent_jobs: 20
    pod_spec_override:
      spec:
        nodeSelector:
          purpose: jobs

- name: Have another like it, in a namespace of its own
  jobpods.controller.container_group:
    name: prod-network
    copy_from: prod
    namespace: network-jobs
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
    """Manage container groups."""
    run_module("container_group", AnsibleModule(ARGUMENTS["container_group"], supports_check_mode=True))


if __name__ == "__main__":
    main()
