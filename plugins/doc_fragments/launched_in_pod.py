# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that launch something in a pod."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
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
