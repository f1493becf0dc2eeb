# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every verb returns: one mapping for a job, whether it ended well, badly, or was never made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import HOST_STATUSES
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import KeptPod

if TYPE_CHECKING:  # so that a launcher, which may only have a refusal to return, needs no database
    from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
        JobRecord,
        JobStore,
    )

STDOUT_LIMIT = 1 << 20
"""Bytes of output in a result; the whole is kept with the job."""
DEPTH = 20
"""Workflows within workflows that a result has; more can't be sensible, as none runs itself."""
FINAL = frozenset(("successful", "failed", "error", "canceled"))
WITHOUT_HOSTS = frozenset(("project_update", "inventory_update"))
"""Types of jobs that run no playbook."""
MOMENTS = ("started", "finished")
WORKER_NEVER_RAN = frozenset(("preparing", "connecting", "creating", "pending"))


def job_facts(record: JobRecord, slices: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The value of `job` in a result.

    Args:
        record: the job.
        slices: the same of its slices, or of the jobs of its nodes.
    """
    facts: dict[str, Any] = {
        "id": record.id,
        "type": record.type,
        "name": record.name,
        "status": record.status,
        "status_since": _timestamp(record.status_since),
        "failure": record.failure,
        "job_explanation": record.job_explanation,
        "result_traceback": record.result_traceback,
        "container_group": record.container_group,
        "namespace": record.namespace or None,
        "pod_name": record.pod_name,
        "pod_kept_until": _timestamp(None if record.pod_deleted else record.keep_pod_until),
        "execution_node": record.execution_node,
        "start": _phases(record.start, record.finished),
        "resources": record.facts.get("resources"),
        "attempts": _attempts(record),
        "controller_node": record.controller_node,
        "started": _timestamp(record.started),
        "finished": _timestamp(record.finished),
        "elapsed": record.elapsed,
        "host_status_counts": record.host_status_counts or dict.fromkeys(HOST_STATUSES, 0),
        "event_count": record.event_count,
        "launch_type": record.launch_type,
        "launched_by": record.launched_by,
        "organization": record.organization_id,
        "project": record.project_id,
        "scm_revision": record.scm_revision,
        "inventory": record.inventory_id,
        "inventory_source": record.inventory_source_id,
        "job_template": record.job_template_id,
        "workflow_job_template": record.workflow_job_template_id,
        "workflow_job": record.parent_id,
        "workflow_node": record.workflow_node,
        "job_slice_number": record.job_slice_number,
        "job_slice_count": record.job_slice_count,
        "slices": list(slices),
    }
    # The artifacts are data of the playbook, for playbooks: they stay as they are.
    return {**_plain(facts), "artifacts": record.artifacts}


def job_result(store: JobStore, job_id: int) -> dict[str, Any]:
    """The result of a verb about one job, as it stands in the store.

    Returns:
        `changed`, `failed`, `msg`, what `of_job` says, `stdout` and `stdout_truncated`.
    """
    record = store.get(job_id)
    stdout, truncated = store.stdout(job_id, STDOUT_LIMIT)
    return {
        "changed": _changed(record),
        "failed": record.status in ("failed", "error", "canceled"),
        "msg": plain_text(sentence(record)),
        **of_job(job_facts(record, _children(store, record))),
        "stdout": plain_text(stdout),
        "stdout_truncated": truncated,
    }


def _children(store: JobStore, record: JobRecord, depth: int = DEPTH) -> list[dict[str, Any]]:
    """The facts of the jobs of a workflow or sliced job, and of those within them."""
    if record.type != "workflow_job" or not depth:
        return []
    children = store.children(record.id)
    return [job_facts(child, _children(store, child, depth - 1)) for child in children]


def of_job(facts: dict[str, Any]) -> dict[str, Any]:
    """What a result says of its job; `id` and `status` are where playbooks for `awx.awx` look for them.

    Args:
        facts: the value of `job`.
    """
    told = {"id": facts["id"], "status": facts["status"], "job": facts}
    return {**told, "job_info": {"id": facts["id"]}} if facts["type"] == "workflow_job" else told


def refusal(failure: Failure, *, name: str = "", controller_node: str = "") -> dict[str, Any]:
    """The result where no job was made: the same shape, with nothing in it but the failure."""
    job: dict[str, Any] = {
        "id": None,
        "type": "job",
        "name": name,
        "status": failure.status,
        "status_since": None,
        "failure": failure.as_result(),
        "job_explanation": failure.message,
        "result_traceback": failure.traceback,
        "container_group": None,
        "namespace": None,
        "pod_name": "",
        "pod_kept_until": None,
        "execution_node": "",
        "start": [],
        "resources": None,
        "attempts": [],
        "controller_node": controller_node,
        "started": None,
        "finished": None,
        "elapsed": 0.0,
        "host_status_counts": dict.fromkeys(HOST_STATUSES, 0),
        "event_count": 0,
        "artifacts": {},
        "launch_type": "manual",
        "launched_by": "",
        "organization": None,
        "project": None,
        "scm_revision": "",
        "inventory": None,
        "inventory_source": None,
        "job_template": None,
        "workflow_job_template": None,
        "workflow_job": None,
        "workflow_node": "",
        "job_slice_number": 0,
        "job_slice_count": 1,
        "slices": [],
    }
    return {
        "changed": False,
        "failed": True,
        "msg": advice(failure.reason, failure.message, failure.hint),
        **of_job(_plain(job)),
        "stdout": "",
        "stdout_truncated": False,
    }


def sentence(record: JobRecord) -> str:
    """One sentence about a job that a person can act on, and another one about a pod that is kept."""
    kept = record.keep_pod_until
    if kept is None or record.pod_deleted or kept <= datetime.now(timezone.utc):
        return _sentence(record)
    pod = KeptPod(record.namespace, record.pod_name, **record.facts["kept"])
    return f"{_sentence(record)} {pod.how_to_look(f'until {_timestamp(kept)}')}"


def _sentence(record: JobRecord) -> str:
    who = f"Job {record.id} ({record.name})"
    if record.failure is not None and record.status in FINAL:
        failure = record.failure
        return f"{who} {record.status}: {advice(failure['reason'], failure['message'], failure['hint'])}"
    if record.status not in FINAL:
        return f"{who} is {record.status}." + (f" {record.job_explanation}" if record.job_explanation else "")
    counts = ", ".join(f"{count} {status}" for status, count in record.host_status_counts.items() if count)
    hosts = "" if record.type in WITHOUT_HOSTS else f": {counts or 'no hosts'}"
    return f"{who} successful in {record.elapsed:.1f} s{hosts}."


def _plain(value: Any) -> Any:
    """`value` with nothing in its texts that a terminal would obey: many of them are a pod's own words."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def advice(reason: str, message: str, hint: str) -> str:
    """A failure in a sentence or two, without anything that a terminal would obey."""
    end = "" if message.endswith((".", "!", "?")) else "."
    return plain_text(f"{reason}: {message}{end}" + (f" {hint}" if hint else ""))


def _changed(record: JobRecord) -> bool:
    """Whether a host of the inner play changed; true, too, where that can't be known."""
    if record.changed is not None:
        return record.changed
    if record.failure is None or any(attempt["started"] for attempt in record.attempts):
        return True
    return record.failure["phase"] not in WORKER_NEVER_RAN


def _attempts(record: JobRecord) -> list[dict[str, Any]]:
    """The pods that the job was tried in, the one that counts at last."""
    attempts: list[dict[str, Any]] = []
    for lost in record.attempts:
        moments = {name: lost[name] and _moment(lost[name]) for name in MOMENTS}
        attempts.append(
            {
                **lost,
                **{name: _timestamp(moment) for name, moment in moments.items()},
                "start": _phases(lost.get("start", ()), moments["finished"]),
            }
        )
    if record.pod_name:
        failure = record.failure or {"reason": "", "message": ""}
        attempts.append(
            {
                "attempt": len(attempts) + 1,
                "pod_name": record.pod_name,
                "execution_node": record.execution_node,
                "started": _timestamp(record.started),
                "finished": _timestamp(record.finished),
                "reason": failure["reason"],
                "message": failure["message"],
                "start": _phases(record.start, record.finished),
            }
        )
    return attempts


def _phases(start: Sequence[dict[str, Any]], finished: datetime | None) -> list[dict[str, Any]]:
    """The story of a job's start; the phase that goes on has lasted till now, or till the job's end."""
    until = finished.timestamp() if finished is not None else time.time()
    phases = []
    for entry in start:
        seconds = entry["seconds"]
        if seconds is None:
            seconds = round(max(0.0, until - entry["at"]), 3)
        phases.append({**entry, "at": _timestamp(_moment(entry["at"])), "seconds": seconds})
    return phases


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _timestamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
