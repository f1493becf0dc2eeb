# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failures that the page tells."""

from __future__ import annotations

from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.report.failed_tasks import (
    MESSAGE,
    Failures,
)


def failures(*results: Any, limit: int = 10, **facts: Any) -> Failures:
    """Failures with these results."""
    found = Failures(limit)
    for number, result in enumerate(results, start=1):
        found.add(
            "runner_on_failed", {"host": f"h{number}", "task": "T", "res": result, **facts}, number * 10
        )
    return found


def test_what_a_module_said() -> None:
    said = {"msg": "no\x1b[2J\nway", "stderr": "why", "stdout": "", "exception": "(traceback unavailable)"}
    (only,) = failures(said, task_path="/runner/project/roles/web/tasks/main.yml:3", play="Site").shown
    assert (only.host, only.task, only.play, only.result) == ("h1", "T", "Site", "failed")
    assert (only.path, only.line) == ("roles/web/tasks/main.yml:3", 10)
    assert (only.message, only.texts) == ("no\nway", [("stderr", "why")])


def test_what_no_log_has_hidden_says_so() -> None:
    hidden = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"
    (only,) = failures({"censored": hidden}).shown
    assert (only.message, only.texts, only.items) == (hidden, [], [])


def test_failed_items() -> None:
    items: list[Any] = [{"failed": True, "msg": f"no {number}", "item": {"n": number}} for number in range(7)]
    items += [
        {"failed": False, "msg": "yes"},
        "x",
        {"failed": True, "censored": "hidden", "_ansible_item_label": "label"},
    ]
    (only,) = failures({"msg": "One or more items failed", "results": items}).shown
    assert only.items[0] == ('{"n": 0}', "no 0")
    assert (len(only.items), only.other_items) == (5, 3)


def test_unreachable_and_ignored() -> None:
    found = failures({"msg": "no"}, ignore_errors=True)
    found.add("runner_on_unreachable", {"host": "a", "res": {"msg": "gone"}}, 1)
    found.add("runner_on_ok", {"host": "a", "res": {"msg": "gone"}}, 1)
    assert (found.count, found.ignored, [each.result for each in found.shown]) == (1, 1, ["unreachable"])


def test_first_and_last_ones_are_kept() -> None:
    found = failures(*({"msg": str(number)} for number in range(20)), limit=5)
    assert [each.message for each in found.shown] == ["0", "1", "17", "18", "19"]
    assert (found.count, found.left_out) == (20, 15)


def test_any_result_of_a_pod_is_borne() -> None:
    results: list[Any] = [
        None,
        [],
        7,
        {"msg": ["a", 1]},
        {"msg": None},
        {"results": {}},
        {"msg": "x" * 10**6, "stdout": 7},
    ]
    shown = failures(*results, task_path=7, play=[]).shown
    assert [len(each.message) for each in shown] == [0, 0, 0, 8, 0, 0, MESSAGE]
