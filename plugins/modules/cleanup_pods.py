#!/usr/bin/python
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cleanup_pods
short_description: List pods of jobs in a namespace, and delete those that belong to nobody
version_added: 0.1.0
description:
  - Lists all pods of jobs in a namespace, whichever controller has made them, and says of each what it is and
    why. Pods whose job has ended, and that nobody has deleted, are orphans; they are deleted.
  - In check mode it only lists them, and says which ones it would delete.
  - Pods of jobs that have not ended are never deleted, nor those that are kept (C(keep_pod)) or wait for jobs
    (C(warm_pods)), which end by themselves.
  - Of a pod whose job is not in this database, nobody can tell here whether another controller still needs
    it. It is only deleted where O(unknown_jobs) says so.
  - The image pull secret of a pod goes with it.
extends_documentation_fragment:
  - jobpods.controller.attributes
  - jobpods.controller.connection
  - jobpods.controller.connection.stored
  - jobpods.controller.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The result tells which pods are deleted.
  idempotent:
    support: full
options:
  container_group:
    description: Name or id of a stored container group, in whose namespace to look.
    type: str
  namespace:
    description: Where to look; without it the namespace of O(container_group), else V(default).
    type: str
  unknown_jobs:
    description:
      - What to do with pods of jobs that are not in this database. These may be another controller's, whose
        pods are in the same namespace, or jobs of a database that was lost.
      - V(keep) deletes none of them.
      - V(delete_ended) deletes those in which nothing runs any more. A pod whose controller is gone ends by
        itself after the C(controller_lost_timeout) of its job. Another controller may keep such a pod to be
        looked into.
      - V(delete) deletes those that still run, too. B(Another controller's live job loses its pod by that).
    type: str
    choices: [keep, delete_ended, delete]
    default: keep
  older_than:
    description: Of pods of unknown jobs, delete only those that were made at least so many seconds ago.
    type: int
    default: 86400
notes:
  - The connection's user needs to list and delete C(pods).
  - What the own jobs of this database have left is also deleted by itself, by the next call of any module of
    this collection.
seealso:
  - module: jobpods.controller.job_info
  - module: jobpods.controller.cleanup_jobs
"""

EXAMPLES = r"""
- name: Look which pods of jobs are in the namespace of a container group, and what they are
  jobpods.controller.cleanup_pods:
    container_group: prod
  check_mode: true
  register: found

- name: Delete those whose jobs have ended
  jobpods.controller.cleanup_pods:
    container_group: prod

- name: Delete what is left of a database that was lost, in a namespace that no other controller uses
  jobpods.controller.cleanup_pods:
    kubeconfig: ~/.kube/config
    namespace: jobs
    unknown_jobs: delete
    older_than: 0
"""

RETURN = r"""
pods:
  description: All pods of jobs in the namespace, the oldest first.
  returned: when the pods could be listed
  type: list
  elements: dict
  contains:
    pod_name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    execution_node:
      description: The Kubernetes node that it is on; empty where it is on none.
      type: str
    phase:
      description: What Kubernetes calls its state, for example V(Running).
      type: str
    created:
      description: When it was made, in UTC.
      type: str
    age:
      description: Seconds since then.
      type: int
    controller_node:
      description: Host name of the controller that launched its job; empty for a pod that waits for one.
      type: str
    job_id:
      description: The number of its job; of a job that is not in this database, its number in its own.
      type: int
    job_name:
      description: The job's name; null where it is not in this database.
      type: str
    job_status:
      description: The job's status; null where it is not in this database.
      type: str
    state:
      description:
        - What it is. V(job) is the pod of a job that has not ended, V(kept) is kept to be looked into,
          V(ending) is being deleted, V(warm) waits for a job, V(left) belongs to nobody, and V(unknown) is
          the pod of a job that is not in this database.
      type: str
    orphan:
      description: Whether it belongs to nobody; null where that can't be known here.
      type: bool
    why:
      description: The same in a sentence.
      type: str
    until:
      description: When it goes by itself, in UTC; null where that is not known.
      type: str
    deleted:
      description: Whether it was, or in check mode would be, deleted.
      type: bool
    error:
      description: Why it could not be deleted; else empty.
      type: str
host:
  description: URL of the API server.
  returned: when the pods could be listed
  type: str
namespace:
  description: The namespace that was looked at.
  returned: when the pods could be listed
  type: str
failure:
  description: Why the pods could not be listed, with C(reason), C(message) and C(hint).
  returned: when they could not
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import run_module


def main() -> None:
    """List pods of jobs in a namespace, and delete those that belong to nobody."""
    run_module("cleanup_pods", AnsibleModule(ARGUMENTS["cleanup_pods"], supports_check_mode=True))


if __name__ == "__main__":
    main()
