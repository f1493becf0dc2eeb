# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Success needs all of its proofs; everything else gets the reason that helps."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import TRACEBACK_LIMIT
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Summary, TaskFailure
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Cause, Ended

GOOD = Ended(
    offset=10,
    cause="exit",
    returncode=0,
    signal=None,
    stderr="",
    message="",
    memory_peak=1,
    cpu_seconds=0.1,
    elapsed=1.0,
    left=0,
)


def summary(**fields: Any) -> Summary:
    return Summary(**{"status": "successful", "eof": True, "stats": True, "events": 3, **fields})


@pytest.mark.parametrize("proofs", list(product([True, False], repeat=4)), ids=str)
def test_only_all_proofs_together_make_a_success(proofs: tuple[bool, bool, bool, bool]) -> None:
    status, eof, rc, stats = proofs
    said = summary(status="successful" if status else "running", eof=eof, stats=stats)
    failure = verdict(replace(GOOD, returncode=0 if rc else 1), said, 0)
    assert (failure is None) == all(proofs)


@pytest.mark.parametrize(
    "cause", ["cancel", "timeout", "payload", "runner_missing", "spool", "controller_lost"]
)
def test_no_other_end_is_a_success(cause: Cause) -> None:
    assert verdict(replace(GOOD, cause=cause), summary(), 5) is not None


def several(hosts: str) -> dict[str, Any]:
    """A summary in which hosts with these letters for names failed."""
    failures = {host: TaskFailure(host, "Break", "All", "no", False) for host in hosts}
    return {"status": "failed", "_failures": failures, "_failed_hosts": frozenset(hosts)}


@pytest.mark.parametrize(
    ("ended", "said", "reason", "words"),
    [
        pytest.param(replace(GOOD, cause="timeout"), {}, "JobTimeout", "time limit of 60 s", id="timeout"),
        pytest.param(
            replace(GOOD, cause="timeout"),
            {"last_lines": deque(["TASK [pause] ***", "[pause]", "\x1b[0mGo on: "])},
            "JobTimeout",
            'Its last line, "Go on:", looks like a question',
            id="question",
        ),
        pytest.param(
            replace(GOOD, cause="timeout"),
            {"last_lines": deque(["Go on: ", "TASK [Copy: all] ***"])},
            "JobTimeout",
            "time limit of 60 s\\.$",
            id="no-question",
        ),
        pytest.param(
            replace(GOOD, cause="runner_missing", message="ansible-runner is not there"),
            {},
            "RunnerMissing",
            "ansible-runner is not there.",
            id="no-runner",
        ),
        pytest.param(
            replace(GOOD, returncode=None, signal=9),
            {"status": "running", "eof": False},
            "RunnerFailed",
            "signal 9",
            id="killed",
        ),
        pytest.param(
            replace(GOOD, returncode=1),
            {
                "status": "failed",
                "last_lines": deque(["\x1b[0;31m[ERROR]: the role 'x' was not found\x1b[0m"]),
            },
            "PlaybookFailed",
            "failed: the role 'x' was not found",
            id="no-play",
        ),
        pytest.param(
            replace(GOOD, returncode=1),
            {
                "status": "failed",
                "stats": False,
                "last_lines": deque(
                    ["[ERROR]: Completely failed to parse inventory source /runner/inventory/hosts"]
                ),
            },
            "InventoryInvalid",
            "Completely failed to parse",
            id="inventory",
        ),
        pytest.param(
            replace(GOOD, returncode=2),
            {
                "status": "failed",
                "_failures": {"a": TaskFailure("a", "Ping", "All", "no\nroute", True)},
                "_failed_hosts": frozenset("a"),
            },
            "PlaybookFailed",
            "failed on a \\(unreachable at task 'Ping': no route\\)\\.$",
            id="unreachable",
        ),
        pytest.param(
            replace(GOOD, returncode=2),
            {
                "status": "failed",
                "_failures": {"a": TaskFailure("a", "Ping", "All", "x" * 999, False)},
                "_failed_hosts": frozenset("a"),
            },
            "PlaybookFailed",
            "task 'Ping': x{199}…\\)\\.$",
            id="long-message",
        ),
        pytest.param(
            replace(GOOD, returncode=2),
            several("ab"),
            "PlaybookFailed",
            "failed on a \\(failed at task 'Break': no\\) and b \\(failed at task 'Break': no\\)\\.$",
            id="two-hosts",
        ),
        pytest.param(
            replace(GOOD, returncode=2),
            several("abcde"),
            "PlaybookFailed",
            "failed on a \\(.*\\), b \\(.*\\), c \\(.*\\) and 2 more hosts\\.$",
            id="five-hosts",
        ),
    ],
)
def test_reason_and_words(ended: Ended, said: dict[str, Any], reason: str, words: str) -> None:
    failure = verdict(ended, summary(**said), 60)
    assert failure is not None
    assert failure.reason == reason
    assert re.search(words, failure.message), failure.message


def test_what_a_pod_says_is_repeated_in_part_only() -> None:
    words = "x" * 1_000_000
    ended = replace(GOOD, returncode=2, message=words, stderr=words)
    for cause in ("exit", "spool", "runner_missing"):
        failure = verdict(replace(ended, cause=cause), summary(status="failed", explanation=words), 0)
        assert failure is not None
        assert len(failure.message) < 5000
        assert len(failure.traceback) <= TRACEBACK_LIMIT


def test_hint_is_of_failed_tasks_only_where_there_are_some() -> None:
    with_tasks = verdict(replace(GOOD, returncode=2), summary(**several("a")), 0)
    without = verdict(replace(GOOD, returncode=1), summary(status="failed"), 0)
    assert with_tasks is not None
    assert without is not None
    assert with_tasks.hint == "See the failed tasks in the output."
    assert without.hint == "Read the output."


BEGUN = {"status": "failed", "playbook_started": True, "play_started": True}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param({**BEGUN, "stats": False}, "OOMKilled", id="playbook-killed"),
        pytest.param({"status": "running", "eof": False, "stats": False}, "OOMKilled", id="runner-killed"),
        pytest.param({**BEGUN, **several("a")}, "PlaybookFailed", id="task-killed"),
    ],
)
def test_kills_for_want_of_memory_are_told(said: dict[str, Any], reason: str) -> None:
    ended = replace(GOOD, returncode=2, memory_kills=2, memory_peak=300 << 20)
    failure = verdict(ended, summary(**said), 0, memory_limit="301Mi")
    assert failure is not None
    assert failure.reason == reason
    assert "the kernel killed 2 processes of the run for using more memory" in failure.message
    assert "memory limit" in failure.hint
    assert failure.message.endswith(
        " The container's memory limit is 301Mi; the most that was seen in use is 300Mi."
    )
    assert failure.details["memory_kills"] == 2
    assert (failure.details["memory_limit"], failure.details["memory_peak"]) == ("301Mi", 300 << 20)


def test_a_kill_that_the_playbook_got_over_is_no_failure() -> None:
    assert verdict(replace(GOOD, memory_kills=1), summary(), 0) is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param(["PLAY [all] ***", "TASK [Wait] ***"], "RunnerFailed", id="killed"),
        pytest.param(["PLAY [all] ***", "[ERROR]: the role 'x' was not found"], "PlaybookFailed", id="error"),
        pytest.param(
            ["PLAY [all] ***", "ERROR! the role 'x' was not found"], "PlaybookFailed", id="old-error"
        ),
    ],
)
def test_playbook_that_ends_without_a_recap(lines: list[str], reason: str) -> None:
    failure = verdict(replace(GOOD, returncode=1), summary(**BEGUN, stats=False, last_lines=deque(lines)), 0)
    assert failure is not None
    assert failure.reason == reason
    assert "PLAY [all]" in failure.traceback
