# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which permissions are asked for, and what the answers say."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import (
    NAMESPACE,
    PERMISSIONS,
    Check,
    Permission,
    expiry_of,
    permission_check,
    timestamp,
    user_of,
)

ATTACH = Permission("get", "pods/attach", "a job can't talk with its pod")
EVENTS = Permission("list", "events", "failures tell less", required=False)
USER = "system:serviceaccount:jobs:runner"


def web_token(claims: Any) -> str:
    """A JSON Web Token, as far as it is read here."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{payload}.signature"


def test_what_a_job_needs_is_required() -> None:
    required = {permission.check for permission in PERMISSIONS if permission.required}
    assert required == {
        "create pods",
        "get pods",
        "list pods",
        "watch pods",
        "delete pods",
        "get pods/attach",
        "create pods/attach",
    }


def test_what_only_some_need_is_optional() -> None:
    optional = [permission.check for permission in PERMISSIONS if not permission.required]
    secrets = ["get secrets", "create secrets", "delete secrets"]
    assert optional == ["patch pods", "list events", "get pods/log", *secrets]


def test_a_review_asks_for_resource_and_subresource() -> None:
    assert ATTACH.review("jobs")["spec"]["resourceAttributes"] == {
        "namespace": "jobs",
        "verb": "get",
        "group": "",
        "resource": "pods",
        "subresource": "attach",
    }
    assert EVENTS.review("jobs")["spec"]["resourceAttributes"]["subresource"] == ""


def test_an_allowed_permission_is_ok() -> None:
    check = permission_check(ATTACH, {"status": {"allowed": True}}, USER, "jobs")
    assert (check.check, check.ok, check.required, check.hint) == ("get pods/attach", True, True, "")
    assert '"jobs"' in check.message


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"allowed": False}, id="no"),
        pytest.param({"allowed": False, "denied": True}, id="never"),
        pytest.param({}, id="nothing said"),
        pytest.param({"allowed": "yes"}, id="no truth"),
        pytest.param(None, id="no status"),
    ],
)
def test_a_permission_that_is_not_granted(status: Any) -> None:
    check = permission_check(ATTACH, {"status": status}, USER, "jobs")
    assert (check.ok, check.failed) == (False, True)
    assert (
        check.message
        == f'{USER} may not get pods/attach in the namespace "jobs", so a job can\'t talk with its pod.'
    )
    assert check.hint.endswith('{apiGroups: [""], resources: [pods/attach], verbs: [get]}')
    assert 'in the namespace "jobs"' in check.hint


def test_what_the_server_could_not_evaluate_is_told() -> None:
    answer = {"status": {"allowed": False, "evaluationError": 'role "jobs" not found'}}
    assert 'role "jobs" not found' in permission_check(ATTACH, answer, USER, "jobs").message


def test_an_optional_permission_fails_nothing() -> None:
    check = permission_check(EVENTS, {"status": {"allowed": False}}, USER, "jobs")
    assert (check.ok, check.failed) == (False, False)


@pytest.mark.parametrize(
    ("check", "line"),
    [
        pytest.param(Check("tls", True, True, "It is.", "unused"), "tls: ok: It is.", id="ok"),
        pytest.param(Check("tls", False, True, "No.", "Do."), "tls: FAILED: No.\n  Do.", id="failed"),
        pytest.param(Check("tls", False, True, "No."), "tls: FAILED: No.", id="without a hint"),
        pytest.param(Check("e", False, False, "No.", "Do."), "e: missing, but optional: No.", id="opt"),
        pytest.param(Check("e", None, True, "Perhaps."), "e: unknown: Perhaps.", id="unknown"),
    ],
)
def test_a_check_for_the_terminal(check: Check, line: str) -> None:
    assert check.line == line


def test_what_is_unknown_but_required_fails() -> None:
    assert Check("e", None, True, "").failed
    assert not Check("e", None, False, "").failed


@pytest.mark.parametrize(
    ("answer", "user"),
    [
        pytest.param({"status": {"userInfo": {"username": USER}}}, USER, id="known"),
        pytest.param({"kind": "Status", "status": "Failure"}, "", id="another document"),
        pytest.param({}, "", id="empty"),
    ],
)
def test_the_user(answer: dict[str, Any], user: str) -> None:
    assert user_of(answer) == user


@pytest.mark.parametrize(
    ("token", "expires"),
    [
        pytest.param(web_token({"exp": 1800000000}), "2027-01-15T08:00:00Z", id="with an end"),
        pytest.param(web_token({"sub": USER}), None, id="without an end"),
        pytest.param(web_token({"exp": "soon"}), None, id="no number"),
        pytest.param(web_token({"exp": 1e300}), None, id="too late for a date"),
        pytest.param(web_token([1]), None, id="no mapping"),
        pytest.param("sha256~opaque", None, id="OpenShift's"),
        pytest.param("a.é.c", None, id="no base64"),
        pytest.param("a.eA.c", None, id="no JSON"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_end_of_a_token(token: str | None, expires: str | None) -> None:
    found = expiry_of(token)
    assert (timestamp(found) if found else None) == expires


def test_moments_are_shown_in_utc() -> None:
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 999, timezone.utc)) == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize("name", ["a", "jobs", "jobs-1", "1", "a" * 63])
def test_names_of_namespaces(name: str) -> None:
    assert NAMESPACE.fullmatch(name)


@pytest.mark.parametrize("name", ["", "Jobs", "jobs_1", "-a", "a-", "a.b", "a" * 64, "a\n"])
def test_what_is_no_name_of_a_namespace(name: str) -> None:
    assert not NAMESPACE.fullmatch(name)
