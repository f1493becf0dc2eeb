# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job needs of a cluster, and what the API server's answers say about who may do it.

Nothing here asks anything: the questions are put by `probe`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A namespace's name (Kubernetes: Object Names, RFC 1123 labels)."""
ANONYMOUS = "system:anonymous"
"""Whom the API server takes for the user of a request without a token or certificate."""


@dataclass(frozen=True)
class Permission:
    """Something that the connection's user may be allowed to do in the group's namespace.

    Attributes:
        verb: Kubernetes' word for it.
        resource: of the core API group, with its subresource where it has one.
        lack: what can't be done without it, as the end of a sentence.
        required: no job runs without it.
    """

    verb: str
    resource: str
    lack: str
    required: bool = True

    @property
    def check(self) -> str:
        """The name of the check, for example `get pods/attach`."""
        return f"{self.verb} {self.resource}"

    @property
    def rule(self) -> str:
        """The rule of a Role that gives it, in YAML."""
        return f'{{apiGroups: [""], resources: [{self.resource}], verbs: [{self.verb}]}}'

    def review(self, namespace: str) -> dict[str, Any]:
        """The `SelfSubjectAccessReview` that asks whether the user has it."""
        resource, _slash, subresource = self.resource.partition("/")
        attributes = {
            "namespace": namespace,
            "verb": self.verb,
            "group": "",
            "resource": resource,
            "subresource": subresource,
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }


_REGISTRIES = "execution environments with a credential for a private registry can't be used; others can"
PATCH_PODS = Permission(
    "patch", "pods", "a container group's warm_pods can't be used; its jobs run in new pods", required=False
)
PERMISSIONS = (
    Permission("create", "pods", "no pod can be made for a job"),
    Permission("get", "pods", "a job can't look at its pod"),
    Permission("list", "pods", "a job's pod can't be found again"),
    Permission("watch", "pods", "a job can't see what happens to its pod"),
    Permission("delete", "pods", "a job's pod can't be removed"),
    Permission("get", "pods/attach", "a job can't talk with its pod"),
    Permission(
        "create", "pods/attach", "a job can't talk with its pod where a newer API server wants this, too"
    ),
    PATCH_PODS,
    Permission("list", "events", "failures tell less of why a pod does not start", required=False),
    Permission("get", "pods/log", "other tools can't read a pod's log; jobs don't need it", required=False),
    *(Permission(verb, "secrets", _REGISTRIES, required=False) for verb in ("get", "create", "delete")),
)
"""All that jobs may need, in the order in which it is tested."""


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        check: its name.
        ok: None where it is not known.
        required: no job runs unless it is ok.
        message: what it means, one sentence.
        hint: what to do about it; empty where nothing needs to be done.
    """

    check: str
    ok: bool | None
    required: bool
    message: str
    hint: str = ""

    @property
    def failed(self) -> bool:
        """Whether it keeps jobs from running, as far as is known."""
        return self.required and not self.ok

    @property
    def line(self) -> str:
        """The check for the terminal; the hint of one that fails is on a line of its own."""
        if self.ok:
            mark = "ok"
        elif self.ok is None:
            mark = "unknown"
        else:
            mark = "FAILED" if self.required else "missing, but optional"
        words = f"{self.check}: {mark}: {self.message}"
        return f"{words}\n  {self.hint}" if self.hint and self.failed else words

    def as_result(self) -> dict[str, Any]:
        """As users see it."""
        return asdict(self)


def permission_check(permission: Permission, answer: Mapping[str, Any], user: str, namespace: str) -> Check:
    """What the answer to a permission's review says.

    Args:
        permission: what was asked for.
        answer: the `SelfSubjectAccessReview` that came back.
        user: the connection's user, for the message.
        namespace: where.
    """
    status = _status(answer)
    where = f'in the namespace "{namespace}"'
    if status.get("allowed") is True:
        return Check(permission.check, True, permission.required, f"Allowed {where}.")
    trouble = status.get("evaluationError")
    words = f" (the API server adds: {trouble})" if trouble else ""
    return Check(
        permission.check,
        False,
        permission.required,
        f"{user} may not {permission.check} {where}, so {permission.lack}{words}.",
        f"Add this rule to a Role {where} that is bound to the user: {permission.rule}",
    )


def user_of(answer: Mapping[str, Any]) -> str:
    """The name in a `SelfSubjectReview`; empty where there is none."""
    info = _status(answer).get("userInfo") or {}
    return str(info.get("username") or "")


def _status(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status of an answer; that of a `Status`, which is a word, says nothing here."""
    status = answer.get("status")
    return status if isinstance(status, Mapping) else {}


def expiry_of(token: str | None) -> datetime | None:
    """When a token ends by its own words; None where it says nothing, as a long-lived one."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None  # no JSON Web Token
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), timezone.utc)
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def timestamp(moment: datetime) -> str:
    """A moment as results show it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
