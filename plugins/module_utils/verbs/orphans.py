# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds jobs whose process is gone, and pods that were left behind, and has a process of its own see to them.

Every verb looks, but in check mode: so what one controller process has left is the next one's, on the same
machine or on another with the same database.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import (
    is_gone,
    this_machine,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import FINAL, JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.job_process import ENTRY, reap, start
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request, request_line

OWNER_SILENCE = 30.0
"""Seconds without a heartbeat after which a job's process is taken for gone, wherever it was. Then the job is
taken over, and others go before it where it waits for room."""
POD_SILENCE = 60.0
"""Seconds after which the pod of an ended job, or of one whose deletion was tried, counts as left behind."""
OWN_CONNECTIONS = ("K8S_AUTH_", "KUBECONFIG")
"""Beginnings of the variables that an adopter does not take from who starts it: each job has its own."""


@dataclass(frozen=True)
class Orphans:
    """What nobody cares for.

    Attributes:
        jobs: that have not ended; those that are part of another one come with that.
        pods: jobs that have ended, whose pods are still there.
    """

    jobs: Sequence[JobRecord]
    pods: Sequence[JobRecord]


def orphans(store: JobStore) -> Orphans:
    """What is left without a process.

    A process of this machine is missed at once. The launcher of an attached job may be about to go on with it
    by itself, so such a job is an orphan only after a while.
    """
    found = {record.id: record for record in store.stale(OWNER_SILENCE)}
    for record in store.owned_on(this_machine()):
        if not record.wait and is_gone(record.owner):
            found.setdefault(record.id, record)
    alone = [
        record
        for record in found.values()
        if record.parent_id is None or store.get(record.parent_id).status in FINAL
    ]
    # Others wait for updates.
    alone.sort(key=lambda record: (not record.type.endswith("_update"), record.id))
    return Orphans(alone, store.undeleted_pods(POD_SILENCE))


def start_adopter(request: Request) -> None:
    """Starts the process that sees to orphans; it outlives this one, and tells nobody.

    Raises:
        OSError: it can't be started.
    """
    asked = replace(request.asking("adopt_jobs"), check=False, diff=False, limit=0, main_process=None)
    process = start(
        request.folder, errors=subprocess.DEVNULL, environ=_without_connections(os.environ), entry=ENTRY
    )
    try:
        if process.stdin is not None:
            process.stdin.write(request_line(asked))
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        reap(process)


def _without_connections(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(OWN_CONNECTIONS)}
