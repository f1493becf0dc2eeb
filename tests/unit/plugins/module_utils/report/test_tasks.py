# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long tasks took, and what of them is kept."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.report import values
from ansible_collections.jobpods.controller.plugins.module_utils.report.tasks import TaskTimes
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.report.reading import (
    at,
    event,
    task,
)


def times(events: list[dict[str, Any]], limit: int = 10) -> TaskTimes:
    """What these events add up to."""
    found = TaskTimes(limit)
    for each in events:
        found.add(each["event"], values.mapping(each["event_data"]), each["created"])
    return found


def test_task_on_two_hosts() -> None:
    (only,) = times(task("Install", 1.5, a=2.5, b=4)).shown
    assert (only.name, only.play, only.path) == ("Install", "Site", "site.yml:7")
    assert (only.seconds, only.longest, only.slowest) == (2.5, 2.5, "b")
    assert (only.status, only.results) == ("ok", {"ok": 2})


def test_role_is_named_once() -> None:
    for name in ("Install", "web : Install"):
        (only,) = times([event("playbook_on_task_start", task=name, role="web")]).shown
        assert only.name == "web : Install"


@pytest.mark.parametrize(
    ("kind", "facts", "status"),
    [
        ("runner_on_ok", {}, "ok"),
        ("runner_on_ok", {"res": {"changed": True}}, "changed"),
        ("runner_on_failed", {}, "failed"),
        ("runner_on_failed", {"ignore_errors": True}, "ignored"),
        ("runner_on_unreachable", {}, "unreachable"),
        ("runner_on_skipped", {}, "skipped"),
        ("runner_on_start", {}, "running"),
    ],
)
def test_status(kind: str, facts: dict[str, Any], status: str) -> None:
    begun = [] if kind == "runner_on_start" else [event("runner_on_start", host="a")]
    (only,) = times([*begun, event(kind, host="a", **facts)]).shown
    assert only.status == status


def test_task_that_did_not_end() -> None:
    found = times(
        [
            *task("Wait", 1, a=2),
            *task("Hang", 2)[:1],
            event("runner_on_start", "", at(9), task_uuid="Hang", play_uuid="p"),
        ]
    )
    assert [each.status for each in found.shown] == ["ok", "running"]
    assert found.shown[1].end is None
    assert found.last == values.moment(at(9))


def test_task_without_a_result_is_over_when_the_next_one_begins() -> None:
    """As one is that includes others."""
    known = {"task": "Include", "task_uuid": "i", "play_uuid": "p"}
    include = [
        event("playbook_on_task_start", "", at(1), **known),
        event("runner_on_start", "", at(1), host="a", **known),
    ]
    for after in (task("Next", 3, a=4), [event("playbook_on_stats", "", at(3))]):
        first = times([*include, *after]).shown[0]
        assert (first.name, first.status, first.seconds) == ("Include", "skipped", 2.0)


def test_longest_tasks_and_those_that_failed_are_kept() -> None:
    failed = event("runner_on_failed", host="a", task="T0", task_uuid="T0", play_uuid="p", play="Site")
    events = [each for number in range(40) for each in task(f"T{number}", number, a=number + number % 10)]
    found = times([*events[:3], failed, *events[3:]], limit=5)
    assert [each.name for each in found.shown] == ["T0", "T9", "T19", "T29", "T39"]
    assert (found.seen, found.left_out) == (40, 35)


@pytest.mark.parametrize(
    "value", [None, 7, "", "x", "9" * 50, [], {}, True, "9999-99-99T00:00:00", "0001-01-01T00:00:00+23:59"]
)
def test_any_moment_and_duration_of_a_pod_is_borne(value: Any) -> None:
    facts = {"task": value, "play": value, "host": value, "start": value, "end": value, "duration": value}
    kinds = ("playbook_on_task_start", "runner_on_start", "runner_on_ok", "runner_on_failed")
    found = times([{"event": kind, "created": value, "event_data": facts} for kind in kinds])
    assert all(each.seconds >= 0 for each in found.shown)


@pytest.mark.parametrize("duration", [-1, float("nan"), float("inf"), 10**400, True, "1"])
def test_what_is_no_duration_is_none(duration: Any) -> None:
    assert values.seconds(duration) is None
