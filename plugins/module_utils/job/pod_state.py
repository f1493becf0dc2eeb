# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod document of the API server means for its job: pure functions, no requests.

The reasons are the kubelet's, the scheduler's and the disruption conditions' (Kubernetes: Pod Lifecycle,
Images, Disruptions).
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.pod.supervisor import EXIT_CONTROLLER_LOST

Document = Mapping[str, Any]

PULL_REASONS = frozenset(
    ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError")
)
CONFIG_REASON = "CreateContainerConfigError"
START_REASONS = frozenset(
    ("CreateContainerError", "RunContainerError", "CreatePodSandboxError", "StartError")
)
_CANT_START = PULL_REASONS | START_REASONS | {CONFIG_REASON, "InvalidImageName"}
FINAL_PULL_WORDS = (
    "not found",
    "manifest unknown",
    "name unknown",
    "does not exist",
    "pull access denied",
    "unauthorized",
    "forbidden",
    "authentication required",
    "no basic auth credentials",
)
"""What registries and container runtimes say where asking again can't help; compared in lower case."""
FINAL_CONFIG_WORDS = ("non-root", "nonroot")
"""What kubelets say of a container that asks for what it forbids itself; compared in lower case."""
START_EVENTS = {
    "FailedMount": "VolumeMount",
    "FailedAttachVolume": "VolumeMount",
    "FailedCreatePodSandBox": "ContainerStart",
}
"""Reasons of events that say why a pod does not start, and ours."""
STARTED_EVENTS = frozenset(("Pulling", "Pulled", "Created", "Started"))
"""Reasons of events that come after volumes and sandbox are there."""
EVENTS_NOT_READABLE = "EventsNotReadable"
"""The reason of the event that stands for those that could not be read."""
MISSING_PROGRAM = "executable file not found"
OF_COMMANDS = frozenset(("ContainerStart", "ContainerTerminated"))
COMMAND_HINT = (
    "Read the container's last state in result_traceback. If the job never began: pod_spec_override gives"
    " the worker container a command, which replaces the image's entrypoint and must run what it is given"
    " in args."
)
"""For failures of `OF_COMMANDS`, where a `command` may be why."""
INIT_CONTAINER = "init container "
DISRUPTIONS = {
    "PreemptionByScheduler": "Preempted",
    "DeletionByTaintManager": "NodeLost",
    "DeletionByPodGC": "NodeLost",
    "EvictionByEvictionAPI": "Evicted",
    "TerminationByKubelet": "Evicted",
}
"""Reasons of the pod's condition `DisruptionTarget`."""
OF_PODS = {"Evicted": "Evicted", "NodeLost": "NodeLost", "Preempting": "Preempted"}
"""Reasons of a pod's own status: of kubelets that set no condition, or the same one for all of them."""

_HAPPENED = {
    "Evicted": "was evicted from {node}",
    "Preempted": "had to make room for another pod on {node}",
    "NodeLost": "was lost with {node}",
}
_OVER_LIMIT = re.compile(r"exceed\w* (its|the)\b.*\blimit\b")
"""Of kubelets, where a pod has used more than it may itself."""

ContainerState = Literal["absent", "waiting", "running", "terminated"]


@dataclass(frozen=True)
class PodState:
    """The part of a pod document that a job cares for.

    Attributes:
        uid: the pod's; tells it from a namesake.
        phase: `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        node: where it was scheduled, else "".
        container: state of the worker container.
        reason: why the worker container waits or ended, or the pod failed.
        message: the cluster's words to it.
        exit_code: of the ended worker container; None where it was an init container that ended.
        deleting: somebody has asked for the pod's deletion.
        disruption: reason of our table for a disruption that the cluster announces, else "".
        unschedulable: the scheduler's words where it finds no node, else "".
        command: the worker container has a `command`, which runs instead of the image's entrypoint.
    """

    uid: str
    phase: str
    node: str
    container: ContainerState
    reason: str
    message: str
    exit_code: int | None
    deleting: bool
    disruption: str
    unschedulable: str
    command: bool

    @property
    def pulling(self) -> bool:
        """Whether pulling the worker's image has failed and is tried again."""
        return self.container == "waiting" and self.reason in PULL_REASONS

    def as_details(self) -> dict[str, Any]:
        """What a failure's details say of the pod."""
        return {"node": self.node, "phase": self.phase, "container_reason": self.reason}


def pod_state(pod: Document, worker: str) -> PodState:
    """Reads a pod document.

    Args:
        pod: as the API server sends it.
        worker: name of the worker container.
    """
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    conditions = {str(entry.get("type")): entry for entry in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    disrupted = conditions.get("DisruptionTarget") or {}
    # A container writes its own termination message; no sequence in it may swallow our words after it.
    container, reason, message, exit_code = _container(status, worker, sidecars(pod))
    message = plain_text(message or str(status.get("message") or disrupted.get("message") or ""))
    pod_reason = str(status.get("reason") or "")
    disruption = _disruption(disrupted, pod_reason, message)
    return PodState(
        uid=str(metadata.get("uid") or ""),
        phase=str(status.get("phase") or "Unknown"),
        node=str((pod.get("spec") or {}).get("nodeName") or ""),
        container=container,
        reason=plain_text(reason or pod_reason),
        message=message,
        exit_code=exit_code,
        deleting=bool(metadata.get("deletionTimestamp")),
        disruption=disruption,
        unschedulable=(
            str(scheduled.get("message") or "no node fits")
            if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
            else ""
        ),
        command=any(
            container.get("name") == worker and container.get("command")
            for container in (pod.get("spec") or {}).get("containers") or ()
        ),
    )


def _disruption(condition: Document, reason: str, words: str) -> str:
    """The reason of our table for what the cluster has done to a pod; empty where it has done nothing."""
    if reason in OF_PODS:
        return OF_PODS[reason]
    if condition.get("status") != "True":
        return ""
    if condition.get("reason") == "TerminationByKubelet" and "node shutdown" in words:
        return "NodeLost"
    return DISRUPTIONS.get(str(condition.get("reason")), "")


def sidecars(pod: Document) -> set[str]:
    """Names of the init containers that run beside the others (Kubernetes: Sidecar Containers)."""
    containers = (pod.get("spec") or {}).get("initContainers") or ()
    return {str(entry.get("name")) for entry in containers if entry.get("restartPolicy") == "Always"}


def _container(
    status: Document, worker: str, beside: Container[str]
) -> tuple[ContainerState, str, str, int | None]:
    """State of the worker, or of the init container that keeps it from starting.

    A sidecar may end as it likes, since it is started again, and does so in its own time: it keeps the worker
    from starting only where it can't be started itself.
    """
    begun = any(
        entry.get("name") == worker and {"running", "terminated"} & set(entry.get("state") or ())
        for entry in status.get("containerStatuses") or ()
    )
    for entry in status.get("initContainerStatuses") or ():
        state = entry.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        cant_start = waiting is not None and waiting.get("reason") in _CANT_START
        if entry.get("name") in beside and (begun or not cant_start):
            continue
        if waiting and waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return "waiting", str(waiting["reason"]), str(waiting.get("message") or ""), None
        if ended and ended.get("exitCode"):
            words = f"{INIT_CONTAINER}{entry.get('name')!r} ended with exit code {ended['exitCode']}"
            return "terminated", str(ended.get("reason") or "Error"), words, None
    for entry in status.get("containerStatuses") or ():
        if entry.get("name") != worker:
            continue
        state = entry.get("state") or {}
        if "running" in state:
            return "running", "", "", None
        if "terminated" in state:
            ended = state["terminated"]
            code = ended.get("exitCode")
            return "terminated", str(ended.get("reason") or ""), str(ended.get("message") or ""), code
        waiting = state.get("waiting") or {}
        return "waiting", str(waiting.get("reason") or ""), str(waiting.get("message") or ""), None
    return "absent", "", "", None


def final_trouble(state: PodState) -> Failure | None:
    """The failure of a pod that can't become, or stay, a working one; None while it still may.

    A worker that ended is one only where the stream has not told how; the caller gives it time to.
    """
    where = f"on node {state.node}" if state.node else "before it was scheduled"
    if state.disruption:
        return _disrupted(state)
    if state.deleting:
        return _failure(state, "PodDeleted", f"The pod was deleted by somebody else {where}.")
    if state.container == "terminated":
        return _ended_worker(state)
    if state.container == "waiting" and (trouble := _waiting_trouble(state)) is not None:
        return trouble
    if state.phase == "Failed" and state.container == "absent" and state.reason != "DeadlineExceeded":
        words = f"{state.reason}: {state.message}" if state.message else state.reason
        return _failure(state, "Unschedulable", f"The kubelet refused to run the pod {where}: {words}")
    if state.phase == "Failed":
        return _failure(
            state, "ContainerTerminated", f"The pod failed {where}: {state.reason} {state.message}".strip()
        )
    return None


def _disrupted(state: PodState) -> Failure:
    happened = _HAPPENED[state.disruption].format(node=f"node {state.node}" if state.node else "its node")
    words = state.message or state.reason
    failure = _failure(state, state.disruption, f"The pod {happened}: {words}")
    if state.disruption == "Evicted" and "low on resource" not in words and _OVER_LIMIT.search(words):
        failure.retryable = False
        failure.hint = "Raise the limit that the message names, or have the playbook write less."
    return failure


def _waiting_trouble(state: PodState) -> Failure | None:
    words = f"{state.reason}: {state.message}" if state.message else state.reason
    if state.reason == "InvalidImageName":
        return _failure(state, "InvalidImageName", f"The image's name is not valid. {words}")
    if state.reason == "ErrImageNeverPull":
        return _failure(
            state, "ImagePull", f"The image is not on the node, and its pull policy is Never. {words}"
        )
    said = state.message.lower()
    if state.pulling and any(word in said for word in FINAL_PULL_WORDS):
        return _failure(state, "ImagePull", f"The image can't be pulled. {words}")
    if state.reason == CONFIG_REASON and any(word in said for word in FINAL_CONFIG_WORDS):
        return _failure(
            state, "ContainerConfig", f"The container's configuration contradicts itself. {words}"
        )
    return None


def _ended_worker(state: PodState) -> Failure:
    code = "" if state.exit_code is None else f", exit code {state.exit_code}"
    words = f"{state.reason}{code}" + (f": {state.message}" if state.message else "")
    if state.reason == "OOMKilled":
        return _failure(
            state, "OOMKilled", f"The worker container was killed for using too much memory ({words})."
        )
    if MISSING_PROGRAM in state.message and not state.command:
        return _failure(state, "RunnerMissing", f"The image has no python3 to start the job with ({words}).")
    if state.reason in START_REASONS or state.reason == "ContainerCannotRun":
        return _failure(state, "ContainerStart", f"The worker container can't be started ({words}).")
    if state.exit_code == EXIT_CONTROLLER_LOST:
        return _failure(
            state,
            "ControllerLost",
            "The pod heard nothing from its controller for too long, and stopped the run.",
        )
    return _failure(state, "ContainerTerminated", f"The worker container ended too early ({words}).")


def lasting_trouble(state: PodState, events: Sequence[Document] = ()) -> Failure | None:
    """The failure that a pod will end with if what keeps it from starting does not go away in time.

    Args:
        state: the pod's.
        events: the pod's, oldest first: they tell where its status says nothing.
    """
    words = f"{state.reason}: {state.message}" if state.message else state.reason
    if state.container == "waiting":
        if state.pulling:
            return _failure(state, "ImagePull", f"The image can't be pulled. {words}")
        if state.reason == CONFIG_REASON:
            return _failure(
                state, "ContainerConfig", f"The container's configuration is not complete. {words}"
            )
        if state.reason in START_REASONS:
            return _failure(state, "ContainerStart", f"The worker container can't be started. {words}")
    if state.unschedulable and not state.node:
        if "persistentvolumeclaim" in state.unschedulable.lower():
            return _failure(state, "VolumeMount", f"A volume of the pod is not there: {state.unschedulable}")
        return _failure(state, "Unschedulable", f"No node takes the pod: {state.unschedulable}")
    return _event_trouble(state, events) if state.container in ("absent", "waiting") else None


def _event_trouble(state: PodState, events: Sequence[Document]) -> Failure | None:
    """What the last event of a pod says that neither has its volumes nor its network yet."""
    if any(str(event.get("reason")) in STARTED_EVENTS for event in events):
        return None
    for event in reversed(events):
        reason = START_EVENTS.get(str(event.get("reason")))
        if reason:
            words = plain_text(str(event.get("message")))
            failure = _failure(state, reason, f"The pod can't start: {words}")
            failure.details["event"] = str(event.get("reason"))
            return failure
    return None


def pending_words(pod: Document, events: Sequence[Document]) -> str:
    """What a pod that does not run seems to wait for, as the rest of a sentence."""
    status = pod.get("status") or {}
    words = ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            words = f"it is not scheduled: {condition.get('message') or condition.get('reason')}"
    beside = sidecars(pod)
    for entry in status.get("initContainerStatuses") or ():
        if "running" in (entry.get("state") or {}) and entry.get("name") not in beside:
            words = f"its init container {entry.get('name')!r} still runs"
        elif entry.get("name") in beside and entry.get("started") is False:
            words = f"its sidecar {entry.get('name')!r} has not started"
    last = events[-1] if events else {}
    if last.get("reason") == EVENTS_NOT_READABLE:
        unread = f"its events, which may tell why, can't be read: {last.get('message')}"
        words = f"{words}; {unread}" if words else unread
    elif last and not words:
        words = f"its last event is {last.get('reason')}: {last.get('message')}"
    return plain_text(words or "nothing tells why")


def evidence(pod: Document | None, events: Iterable[Document] = ()) -> str:
    """The cluster's own words about a pod, for `result_traceback`: never its spec, which may hold secrets."""
    parts: list[str] = []
    if pod is not None:
        status = pod.get("status") or {}
        kept = {
            key: status[key]
            for key in (
                "phase",
                "reason",
                "message",
                "conditions",
                "initContainerStatuses",
                "containerStatuses",
            )
            if status.get(key)
        }
        parts.append("pod status:\n" + json.dumps(kept, indent=2))
    lines = [
        plain_text(f"{event.get('type')} {event.get('reason')}: {event.get('message')}") for event in events
    ]
    if lines:
        parts.append("events of the pod:\n" + "\n".join(lines))
    return "\n".join(parts)[: 64 << 10]


def _failure(state: PodState, reason: str, message: str) -> Failure:
    sentence = " ".join(message.split())
    of_worker = not state.message.startswith(INIT_CONTAINER)
    by_command = state.command and of_worker and reason in OF_COMMANDS
    return Failure(
        reason,
        sentence + ("" if sentence.endswith((".", "!", "?")) else "."),
        hint=COMMAND_HINT if by_command else "",
        details=state.as_details(),
    )
