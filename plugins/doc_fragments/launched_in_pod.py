# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that launch something in a pod."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
notes:
  - Where a task fails that has neither a C(register) nor a C(rescue), it returns only C(msg), C(id) and
    C(status), as nothing could read more. The whole is in M(jobpods.controller.job_info), and is shown with
    C(-vvv).
options:
  limit:
    description: Pattern of the hosts to run on.
    type: str
  forks:
    description: Hosts at once; V(0) is the default of Ansible in the pod.
    type: int
  diff_mode:
    description: Shows differences, as does diff mode of the calling play.
    type: bool
  cancel_grace:
    description: Seconds that Ansible gets to stop by itself when the job is cancelled or its time is over.
    type: int
    default: 5
  controller_lost_timeout:
    description:
      - Seconds without a word from the controller after which the pod ends the run by itself.
      - The default is V(600) with O(wait=true) and V(3600) with O(wait=false). It must be longer than
        O(cluster_outage_timeout).
    type: int
  max_events:
    description:
      - How many events a job may send. One that sends more ends with C(error) and the reason
        C(ProtocolViolation), as with the two limits below, which are sizes like V(64M).
      - The default is V(10000000).
    type: int
  max_event_size:
    description:
      - How large one event may be, hence what a task returns or prints for one host.
      - The default is V(32M), and V(256M) the most.
    type: bytes
  max_output_size:
    description:
      - How much all that the run sends may be, which is about what the store has to keep, uncompressed.
      - The default is V(16G).
    type: bytes
  retry_on_node_loss:
    description:
      - Whether the playbook is started again, from its beginning and in another pod, where its pod is
        evicted, preempted or deleted by somebody, or its node is lost, after it may have begun. What it has
        done by then is not undone, and on a node that can't be reached it may go on for a while beside the
        new one.
      - A pod that is lost before its playbook can have begun is always replaced. A job is tried in at most
        four pods.
    type: bool
    default: false
  keep_pod:
    description:
      - Whether the pod stays after the job's end, for people to look into it. V(on_failure) keeps it where
        the job ends C(failed) or C(error), V(always) also where it ends well or is cancelled.
      - The job's message has the exact C(kubectl) command, until when the pod stays, and how to remove it
        earlier. Where the container has ended by itself, for example because it used too much memory, it
        can't be entered, and the message says what shows the rest of it.
      - No process of the run goes on in a pod that is kept. The files of the run stay in C(/runner), but for
        passwords, SSH keys and extra variables. The inventory stays, with all variables in it.
      - A pod in which nothing has run yet, or in which the run may still go on, is not kept. A job of the
        group V(controlplane) has no pod, and leaves nothing.
    type: str
    choices: [never, on_failure, always]
    default: never
  keep_pod_ttl:
    description:
      - Seconds for which O(keep_pod) keeps the pod. Then its container ends by itself, and what is left of
        the pod is deleted by the next call of a module of this collection on the same store.
    type: int
    default: 3600
"""

    LIMITS = r"""
options:
  pod_pending_timeout:
    description:
      - Seconds from the first try to create the pod until the job runs in it; wins over the container
        group's.
    type: int
  image_pull_timeout:
    description: Seconds from the first failed pull of the image; wins over the container group's.
    type: int
  cluster_outage_timeout:
    description: Seconds that the cluster may be away; wins over the container group's.
    type: int
"""
