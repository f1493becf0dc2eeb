# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod with our labels is, and whether anybody still needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import timestamp
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.shared_pods import created
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import FINAL, JobRecord
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import one_line
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import MAX_SECONDS
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import LABEL_PREFIX, configured
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import (
    IDLE,
    MARK,
    POOL,
    STATE,
    marked,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import (
    OWNER_SILENCE,
    POD_SILENCE,
)

JOB, KEPT, ENDING, WARM, LEFT, UNKNOWN = "job", "kept", "ending", "warm", "left", "unknown"
ENDED_PHASES = frozenset(("Succeeded", "Failed"))
WORD_LIMIT = 253

Document = dict[str, Any]


@dataclass(frozen=True)
class FoundPod:
    """A pod of a namespace.

    Attributes:
        metadata: as the API server has it.
        name: its name.
        phase: `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        node: where it runs; empty where it is on none.
        created: when it was made, in seconds, by the API server's clock.
        job_uuid: of the job that its labels name; empty where they name none.
        job_id: the job's number in its own store, as a text.
        controller: host name of the controller that launched the job.
        idle: it waits for a job.
        going: when it is to be gone, where its deletion was asked for.
        config: what its supervisor has read at its start.
    """

    metadata: Document = field(repr=False)
    name: str
    phase: str
    node: str
    created: float
    job_uuid: str
    job_id: str
    controller: str
    idle: bool
    going: float | None
    config: Document = field(repr=False)

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> FoundPod:
        """A pod as the API server shows it."""
        metadata, status = pod["metadata"], pod.get("status") or {}
        labels = metadata.get("labels") or {}

        def label(name: str) -> str:
            return _word(labels.get(f"{LABEL_PREFIX}{name}"))

        going = metadata.get("deletionTimestamp")
        return cls(
            metadata,
            _word(metadata["name"]),
            _word(status.get("phase")) or "Unknown",
            _word((pod.get("spec") or {}).get("nodeName")),
            created(metadata),
            label("job-uuid"),
            label("job-id"),
            label("controller"),
            labels.get(STATE) == IDLE,
            created({"creationTimestamp": going}) if going else None,
            configured(pod),
        )

    @property
    def uid(self) -> str:
        """Its UID."""
        return str(self.metadata["uid"])

    @property
    def has_ended(self) -> bool:
        """Whether all of its containers have, for good: nothing of it runs any more."""
        return self.phase in ENDED_PHASES

    @property
    def mark(self) -> tuple[str, str]:
        """What the mark of a warm pod would be made of, and the one that it has."""
        labels, annotations = self.metadata.get("labels") or {}, self.metadata.get("annotations") or {}
        return marked(self.uid, str(labels.get(POOL))), str(annotations.get(MARK) or "")

    def seconds(self, name: str) -> int | None:
        """A time limit of its supervisor; None where it has none."""
        value = self.config.get(name)
        known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS
        return value if known else None


@dataclass(frozen=True)
class Judgement:
    """What a pod is.

    Attributes:
        state: `job`, `kept`, `ending`, `warm`, `left` or `unknown`.
        why: that, as a sentence.
        until: when it goes by itself; None where that is not known.
    """

    state: str
    why: str
    until: datetime | None = None

    @property
    def orphan(self) -> bool | None:
        """Whether it belongs to nobody; None where another store may know its job."""
        return None if self.state == UNKNOWN else self.state == LEFT


def judge(pod: FoundPod, record: JobRecord | None, now: float, *, ours: bool) -> Judgement:
    """Says what a pod is.

    Args:
        pod: the pod.
        record: its job, where the store has it.
        now: the API server's time, in seconds.
        ours: a warm pod has the mark of this store.
    """
    if pod.going is not None and now < pod.going + POD_SILENCE:
        return Judgement(ENDING, "Its deletion was asked for already.", _moment(pod.going))
    if pod.idle:
        return _idle(pod, ours=ours)
    if record is None:
        return Judgement(UNKNOWN, _unknown(pod))
    job = f"job {record.id} ({one_line(record.name, WORD_LIMIT)})"
    if record.status not in FINAL:
        silent = _age(record.heartbeat, now)
        gone = (
            f", but its process on {record.controller_node} has given no sign of life for {silent:.0f} s: it"
            " is taken over by the next call of this collection"
            if silent is not None and silent > OWNER_SILENCE
            else ""
        )
        return Judgement(JOB, f"It is the pod of {job}, which is {record.status}{gone}.")
    ended = f"{job[0].upper()}{job[1:]} has ended ({record.status})"
    own = pod.uid == record.pod_uid or (not record.pod_uid and pod.name == record.pod_name)
    if not own or record.pod_deleted:
        return Judgement(LEFT, f"{ended}, and its pod has been taken for deleted.")
    if record.keep_pod_until is not None:
        until = record.keep_pod_until
        if until.timestamp() > now:
            return Judgement(KEPT, f"{ended}, and asked for its pod to be kept (keep_pod).", until)
        return Judgement(LEFT, f"{ended}, and its pod was to be kept until {timestamp(until)}.")
    since = _age(record.heartbeat or record.finished, now)
    if since is not None and since < POD_SILENCE:
        return Judgement(ENDING, f"{ended} a moment ago, and its process deletes the pod.")
    return Judgement(LEFT, f"{ended}, and nobody has deleted its pod.")


def _idle(pod: FoundPod, *, ours: bool) -> Judgement:
    if pod.has_ended:
        return Judgement(LEFT, "It waited for a job (warm_pods), and has ended without one.")
    ttl = pod.seconds("warm_pod_ttl")
    whose = "this store's" if ours else "another store's"
    return Judgement(
        WARM,
        f"It waits for a job of one of {whose} container groups (warm_pods), and ends by itself.",
        None if ttl is None else _moment(pod.created + ttl),
    )


def _unknown(pod: FoundPod) -> str:
    if not pod.job_uuid:
        return "It has the label of our pods, but names no job."
    of = f" of the controller {pod.controller}" if pod.controller else ""
    job = f"Its job ({pod.job_id or '?'}{of}) is not in this store"
    if pod.has_ended:
        return f"{job}; nothing runs in the pod any more."
    lost = pod.seconds("controller_lost_timeout")
    within = "" if lost is None else f", within {lost} s"
    alone = f"without its controller the pod ends by itself{within}"
    return f"{job}, and may be a live one of another store; {alone}."


def _age(moment: datetime | None, now: float) -> float | None:
    return None if moment is None else now - moment.timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _word(value: object) -> str:
    """A text of the cluster's, as it can be shown."""
    return one_line(str(value), WORD_LIMIT) if value else ""
