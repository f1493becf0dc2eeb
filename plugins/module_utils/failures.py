# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way a job can fail, as one table, and the one exception that carries such a failure.

Each layer raises `Failure` with a reason of `REASONS`; nothing else in the collection decides what status
a job ends with because of it, or what hint the user reads.
"""

from __future__ import annotations

import difflib
import traceback as traces
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["preparing", "connecting", "creating", "pending", "running", "playbook", "user"]
FinalStatus = Literal["successful", "failed", "error", "canceled"]


@dataclass(frozen=True)
class Reason:
    """What is the same for all failures of one reason.

    Attributes:
        phase: the part of a job's life in which it happens.
        hint: what the user can do about it.
        retryable: whether the same launch may succeed later without any change.
    """

    phase: Phase
    hint: str
    retryable: bool = False

    @property
    def status(self) -> FinalStatus:
        """What a job ends with: the playbook's own failures are `failed`, a user's cancel is `canceled`."""
        if self.phase == "playbook":
            return "failed"
        return "canceled" if self.phase == "user" else "error"


REASONS: dict[str, Reason] = {
    "InvalidConfiguration": Reason("preparing", "Correct the option that the message names."),
    "PlaybookNotFound": Reason("preparing", "Give the playbook's path relative to the project folder."),
    "InventoryInvalid": Reason(
        "preparing", "Check the inventory with ansible-inventory --list -i INVENTORY."
    ),
    "ProjectNotFound": Reason(
        "preparing", "Give a folder that the controller's user can read, or the name of a stored project."
    ),
    "ProjectUpdateFailed": Reason(
        "preparing", "Read the update's output, and check the project's address, branch and credential."
    ),
    "PayloadTooLarge": Reason(
        "preparing", "Remove large files from the project folder, or split the project."
    ),
    "NameResolution": Reason(
        "connecting", "Check the host name in the connection and this machine's DNS.", True
    ),
    "ConnectionRefused": Reason(
        "connecting", "Check the port in the connection, and that the API server is running.", True
    ),
    "ConnectionTimeout": Reason(
        "connecting", "Check the address, and firewalls and proxies between here and the API server.", True
    ),
    "TLSVerification": Reason(
        "connecting",
        "Give the cluster's CA in ssl_ca_cert, and use a host name that is in the server's certificate.",
    ),
    "NotKubernetes": Reason(
        "connecting", "Give the address of the Kubernetes API server, not of another service."
    ),
    "Unauthorized": Reason(
        "connecting", "Give a token or certificate that this cluster accepts and that is valid."
    ),
    "Forbidden": Reason(
        "connecting", "Grant the named permission to the connection's user in the namespace."
    ),
    "APIServerError": Reason("connecting", "Look at the API server's own words, and try again.", True),
    "NamespaceNotFound": Reason("creating", "Create the namespace, or name an existing one."),
    "QuotaExceeded": Reason(
        "creating",
        "Wait for other pods to end, raise the quota, or lower the group's max_concurrent_jobs.",
        True,
    ),
    "AdmissionDenied": Reason("creating", "Change the pod spec so that the cluster's policies accept it."),
    "InvalidPodSpec": Reason("creating", "Correct the field of pod_spec_override that the message names."),
    "Unschedulable": Reason("pending", "Lower the pod's requests or node selector, or add nodes.", True),
    "ImagePull": Reason("pending", "Check the image's name and tag, and the registry's credential."),
    "InvalidImageName": Reason("pending", "Correct the image's name."),
    "ContainerConfig": Reason(
        "pending", "Create the secret or config map that the message names, or correct the pod spec."
    ),
    "ContainerStart": Reason("pending", "Check the pod spec's command, security context and the image."),
    "VolumeMount": Reason(
        "pending", "Create the config map, secret or claim that the message names, or correct the pod spec."
    ),
    "PodPendingTimeout": Reason("pending", "Look at the pod's events, or raise pod_pending_timeout.", True),
    "RunnerMissing": Reason(
        "running", "Use an execution environment image with python3 and ansible-runner on its PATH."
    ),
    "RunnerFailed": Reason("running", "Read the worker's last output in result_traceback."),
    "OOMKilled": Reason("running", "Raise the worker container's memory limit, or lower forks."),
    "Evicted": Reason(
        "running",
        "Launch again; if the node ran short of something, raise the pod's requests or lower what it uses.",
        True,
    ),
    "Preempted": Reason("running", "Give the pod a higher priority class, or launch again.", True),
    "NodeLost": Reason("running", "Launch again; the node stopped or was removed.", True),
    "PodDeleted": Reason("running", "Find out who deleted the pod, and launch again.", True),
    "ContainerTerminated": Reason("running", "Read the container's last state in result_traceback."),
    "AttachForbidden": Reason(
        "running", "Grant get and create on pods/attach to the connection's user in the namespace."
    ),
    "ProtocolViolation": Reason(
        "running", "Check what in the image or playbook writes to the worker's output."
    ),
    "ClusterUnreachable": Reason(
        "running",
        "Check the API server, the network and the pod's node, or raise cluster_outage_timeout.",
        True,
    ),
    "ControllerLost": Reason("running", "Launch again; the controller that ran the job is gone.", True),
    "PlaybookFailed": Reason("playbook", "See the failed tasks in the output."),
    "JobTimeout": Reason("playbook", "Raise timeout, or make the playbook do less."),
    "WorkflowFailed": Reason("playbook", "See the jobs in slices, and what each of them says."),
    "Canceled": Reason("user", ""),
}


TRACEBACK_LIMIT = 64 << 10
"""Characters of a failure's traceback; what is more is left out of its middle."""


@dataclass
class Failure(Exception):
    """A job, or a request for one, failed for a reason of `REASONS`.

    Attributes:
        reason: key of `REASONS`.
        message: one sentence that a person can act on; never contains a secret.
        http_status: the API server's answer, where there was one.
        hint: what to do; the reason's own where none is given.
        retryable: whether the same launch may succeed later; the reason's own where none is given.
        details: facts for programs, for example `{"verb": "create", "resource": "pods"}`.
        traceback: what the cluster or the worker said, verbatim, at most `TRACEBACK_LIMIT` characters.
    """

    reason: str
    message: str
    http_status: int | None = None
    hint: str = ""
    retryable: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)
    traceback: str = ""

    def __post_init__(self) -> None:
        rule = REASONS[self.reason]
        self.hint = self.hint or rule.hint
        if self.retryable is None:
            self.retryable = rule.retryable

    def __setattr__(self, name: str, value: Any) -> None:
        # Here, since whoever knows more of a failure adds it to the traceback later.
        super().__setattr__(name, _bounded(value) if name == "traceback" else value)

    def __str__(self) -> str:
        return self.message

    @property
    def phase(self) -> Phase:
        """The part of the job's life in which it happened."""
        return REASONS[self.reason].phase

    @property
    def status(self) -> FinalStatus:
        """The status that the job ends with."""
        return REASONS[self.reason].status

    def as_result(self) -> dict[str, Any]:
        """The mapping that users see as `job.failure` (design: `{reason, message, phase, ...}`)."""
        return {
            "reason": self.reason,
            "message": self.message,
            "phase": self.phase,
            "http_status": self.http_status,
            "retryable": self.retryable,
            "hint": self.hint,
            "details": self.details,
        }

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What to tell of any error: what is no `Failure` is a fault of ours."""
        if isinstance(error, Failure):
            return error
        words = "".join(traces.format_exception(error))
        message = f"The job process met an error of its own: {error!r}."
        hint = "This is a fault of the collection: please report it, with result_traceback."
        return cls("ControllerLost", message, hint=hint, traceback=words)

    @classmethod
    def from_result(cls, result: dict[str, Any], traceback: str = "") -> Failure:
        """The failure that `as_result` described."""
        return cls(
            reason=result["reason"],
            message=result["message"],
            http_status=result["http_status"],
            hint=result["hint"],
            retryable=result["retryable"],
            details=result["details"],
            traceback=traceback,
        )


def shortened(text: str, limit: int) -> str:
    """`text`, at most `limit` characters of it, with a mark where something was cut off."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def kind_of(value: object) -> str:
    """What a value of YAML or JSON is, in words; never the value itself, which may be a secret."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a number" if isinstance(value, (int, float)) else "text"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """That of the known names which is nearly this one; empty where none is."""
    close = difflib.get_close_matches(name.lower(), list(known), 1, 0.7)
    return close[0] if close else ""


def _bounded(words: str) -> str:
    """`words` without their middle where they are too long: the first and the last ones tell the most."""
    if len(words) <= TRACEBACK_LIMIT:
        return words
    half = TRACEBACK_LIMIT // 2 - 50
    return f"{words[:half]}\n[{len(words) - 2 * half} characters are left out here]\n{words[-half:]}"
