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
