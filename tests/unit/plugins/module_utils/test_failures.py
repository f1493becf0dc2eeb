# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure has what its reason says unless it says otherwise, and its traceback stays within a limit."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import (
    REASONS,
    TRACEBACK_LIMIT,
    Failure,
)


@pytest.mark.parametrize("reason", REASONS)
def test_failure_has_what_its_reason_says(reason: str) -> None:
    failure = Failure(reason, "It happened.")
    rule = REASONS[reason]
    assert (failure.phase, failure.hint, failure.retryable) == (rule.phase, rule.hint, rule.retryable)
    assert failure.status == {"playbook": "failed", "user": "canceled"}.get(rule.phase, "error")
    assert str(failure) == "It happened."


def test_what_is_given_wins() -> None:
    failure = Failure("APIServerError", "No.", 500, hint="Wait.", retryable=False)
    assert (failure.hint, failure.retryable) == ("Wait.", False)


def test_result_has_all_but_the_traceback() -> None:
    failure = Failure("Forbidden", "No.", 403, details={"verb": "create"}, traceback="words")
    assert Failure.from_result(failure.as_result(), "words") == failure


@pytest.mark.parametrize("size", [0, 1, TRACEBACK_LIMIT], ids=str)
def test_traceback_within_the_limit_is_kept(size: int) -> None:
    assert Failure("RunnerFailed", "No.", traceback="x" * size).traceback == "x" * size


@pytest.mark.parametrize("size", [TRACEBACK_LIMIT - 10, 40 << 20], ids=str)
def test_long_traceback_loses_its_middle_also_where_it_grows_later(size: int) -> None:
    words = "the beginning" + "x" * size + "the end"
    failure = Failure("RunnerFailed", "No.", traceback=words)
    grown = Failure("RunnerFailed", "No.", traceback="the beginning")
    grown.traceback += "x" * size + "the end"
    assert failure.traceback == grown.traceback
    assert len(failure.traceback) <= TRACEBACK_LIMIT
    assert failure.traceback.startswith("the beginning")
    assert failure.traceback.endswith("the end")
    first, told, last = failure.traceback.split("\n")
    assert told == f"[{len(words) - len(first) - len(last)} characters are left out here]"
