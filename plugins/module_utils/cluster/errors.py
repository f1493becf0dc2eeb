# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server's answers mean, and the exceptions of this package that are not a `Failure`.

A `Failure` raised by this package is final: the same request would fail again. What may go away by itself is
`Unreachable`, which carries the `Failure` that it becomes once the caller's patience is over.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, shortened

WORDS_LIMIT = 4096
"""How many characters of an answer are kept as the server's own words."""

_RBAC_DENIAL = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "[^"]*")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_WEBHOOK_DENIAL = re.compile(r'admission webhook "([^"]+)" (?:denied the request|does not support dry run)')
_POLICY_DENIAL = re.compile(r"ValidatingAdmissionPolicy '([^']+)'.* denied request")
_GO_FIELD = re.compile(r"Go struct field \w+\.(\S+) of type|unknown field \"([^\"]+)\"")
_MADE_FOR_JOBS = {"pods": "pod", "secrets": "secret"}
"""Resources of which a job makes one, and what one of them is called."""
_MISSING_SERVICE_ACCOUNT = re.compile(r'serviceaccount "([^"]+)" not found')


class Unreachable(Exception):
    """The API server could not be asked now; the caller decides how long to try again.

    Attributes:
        failure: what to raise when trying again has come to its limit.
        interrupted: an established connection broke, so that an immediate second try is worth it.
        unsent: the request can't have had any effect: no connection was made, or it was turned away.
    """

    def __init__(self, failure: Failure, *, interrupted: bool = False, unsent: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.interrupted = interrupted
        self.unsent = unsent


class AlreadyExists(Exception):
    """An object of this name exists: perhaps made by an earlier try of the same create."""


class NotAttachable(Exception):
    """The pod's container can't be attached to, not yet or no more; the message is the server's."""


class WatchExpired(Exception):
    """The resource version is too old to watch from (410): read the pod again and watch from there."""


def status_document(body: bytes | str | dict[str, Any]) -> dict[str, Any] | None:
    """The `Status` object in an answer's body, or None where it holds something else."""
    document: Any = body
    if isinstance(body, (bytes, str)):
        try:
            document = json.loads(body)
        except ValueError:
            return None
    return document if isinstance(document, dict) and document.get("kind") == "Status" else None


def words_of(body: bytes | str | dict[str, Any]) -> str:
    """The answer in the server's own words: a Status's message, else the text of the body, cut."""
    status = status_document(body)
    if status is not None:
        return shortened(str(status.get("message") or status.get("reason") or ""), WORDS_LIMIT)
    if isinstance(body, dict):
        return shortened(json.dumps(body), WORDS_LIMIT)
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    return shortened(text.strip(), WORDS_LIMIT)


def failure_of(
    status: int,
    body: bytes | str | dict[str, Any],
    verb: str,
    resource: str,
    namespace: str | None,
    *,
    host: str = "",
) -> Failure:
    """What an answer of the API server means for whoever asked.

    Args:
        status: the HTTP status.
        body: the answer's body, as received or parsed.
        verb: the Kubernetes verb of the request, for example `create`.
        resource: the resource with its subresource, for example `pods/attach`.
        namespace: the namespace of the request, None where it has none.
        host: the API server's URL, for the message.
    """
    document = status_document(body)
    words = words_of(body)
    server = f"The API server {host}" if host else "The API server"
    details: dict[str, Any] = {"verb": verb, "resource": resource, "namespace": namespace}
    if status == 401:
        message = f"{server} does not accept the connection's token or certificate (401 Unauthorized)."
        return Failure("Unauthorized", message, 401, traceback=words)
    if status == 429 or status >= 500:
        message = f"{server} answered {verb} {resource} with {status}: {_first_line(words) or 'no text'}"
        return Failure("APIServerError", message, status, details=details, traceback=words)
    if document is None:
        return not_kubernetes(host, f"it answered {status} with {_excerpt(words)}", status, words)
    denial = _WEBHOOK_DENIAL.search(words) or _POLICY_DENIAL.search(words)
    if denial is not None:
        details["policy"] = denial.group(1)
        return Failure(
            "AdmissionDenied",
            f"The cluster refused the {_called(resource)}: {words}",
            status,
            details=details,
            traceback=words,
        )
    if status == 403:
        return _refusal(words, document, details)
    if status == 404 and (document.get("details") or {}).get("kind") == "namespaces":
        message = f'The namespace "{namespace}" does not exist.'
        return Failure("NamespaceNotFound", message, 404, details=details, traceback=words)
    if verb == "create" and resource == "pods" and status in (400, 413, 422):
        details["fields"] = _fields(words, document)
        message = f"The API server does not accept the pod spec: {words}"
        return Failure("InvalidPodSpec", message, status, details=details, traceback=words)
    message = f"{server} answered {verb} {resource} with {status}: {_first_line(words)}"
    return Failure("APIServerError", message, status, retryable=False, details=details, traceback=words)


def not_kubernetes(host: str, what: str, http_status: int | None = None, words: str = "") -> Failure:
    """The failure of an endpoint that answers, but not as Kubernetes does."""
    message = f"{host or 'The address'} is not a Kubernetes API server: {what}."
    return Failure("NotKubernetes", message, http_status, traceback=words)


def _refusal(words: str, document: dict[str, Any], details: dict[str, Any]) -> Failure:
    """A 403: of authorization, of a quota, or of an admission plugin, told apart by the server's words."""
    rbac = _RBAC_DENIAL.search(words)
    if rbac is not None:
        details.update({key: value for key, value in rbac.groupdict().items() if value})
        place = f'in the namespace "{details["namespace"]}"' if rbac["namespace"] else "in the whole cluster"
        message = (
            f'The user "{rbac["user"]}" may not {rbac["verb"]} {rbac["resource"]} {place} (403 Forbidden).'
        )
        reason = "AttachForbidden" if details["resource"] == "pods/attach" else "Forbidden"
        return Failure(reason, message, 403, details=details, traceback=words)
    if "exceeded quota:" in words:
        what = _called(details["resource"])
        message = f"The namespace's quota leaves no room for the {what}: {words.rstrip('.')}."
        return Failure("QuotaExceeded", message, 403, details=details, traceback=words)
    causes = (document.get("details") or {}).get("causes") or []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        message = f'The namespace "{details["namespace"]}" is being deleted.'
        return Failure("NamespaceNotFound", message, 403, details=details, traceback=words)
    account = _MISSING_SERVICE_ACCOUNT.search(words)
    if account is not None:
        details["fields"] = ["spec.serviceAccountName"]
        message = f'The pod\'s service account "{account.group(1)}" does not exist in the namespace.'
        return Failure("InvalidPodSpec", message, 403, details=details, traceback=words)
    if (
        details["verb"] == "create"
        and details["resource"] in _MADE_FOR_JOBS
        and (document.get("details") or {}).get("name")
    ):
        # RBAC refuses before the server has read the object: a refusal that knows its name is admission's.
        message = f"The cluster refused the {_called(details['resource'])}: {words}"
        return Failure("AdmissionDenied", message, 403, details=details, traceback=words)
    place = f'in the namespace "{details["namespace"]}"' if details["namespace"] else "in the whole cluster"
    message = (
        f"The connection's user may not {details['verb']} {details['resource']} {place} (403 Forbidden)."
    )
    reason = "AttachForbidden" if details["resource"] == "pods/attach" else "Forbidden"
    return Failure(reason, message, 403, details=details, traceback=words)


def _fields(words: str, document: dict[str, Any]) -> list[str]:
    """The fields of the pod spec that a 422 or 400 complains of."""
    causes = (document.get("details") or {}).get("causes") or []
    named = [str(cause["field"]) for cause in causes if cause.get("field")]
    return named or [known or unknown for known, unknown in _GO_FIELD.findall(words)]


def _called(resource: str) -> str:
    return _MADE_FOR_JOBS.get(resource, "object")


def _first_line(words: str) -> str:
    return shortened(words.strip().split("\n", 1)[0], 500)


def _excerpt(words: str) -> str:
    return f'"{shortened(" ".join(words.split()), 80)}"' if words.strip() else "an empty body"
