# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal shows what happens line by line, in Ansible's colours, and each line tells whose it is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible import constants
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import refusal
from ansible_collections.jobpods.controller.plugins.plugin_utils import display
from ansible_collections.jobpods.controller.plugins.plugin_utils.display import JobDisplay, event_color

OK, CHANGED, ERROR = constants.COLOR_OK, constants.COLOR_CHANGED, constants.COLOR_ERROR
STEP = constants.COLOR_HIGHLIGHT
FACTS = {"id": 7, "name": "site.yml"}
JOB = {"type": "job", "id": 7, "name": "site.yml", "child": False}
SLICES = [
    {"type": "job", "id": number, "name": f"site.yml {number - 7}/2", "child": True} for number in (8, 9)
]


class Paper:
    """A terminal that keeps what is shown."""

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self.shown: list[tuple[str, str | None]] = []

    def display(self, msg: str, color: str | None = None) -> None:
        self.shown.append((msg, color))

    @property
    def lines(self) -> list[str]:
        return [line for msg, _color in self.shown for line in msg.split("\n")]


def output(*events: tuple[str, bool, str], job: int = 7) -> dict[str, Any]:
    """A message as the job process sends it: JSON has no tuples."""
    return {"type": "output", "job": job, "events": [list(event) for event in events]}


def step(text: str, verbosity: int = 0, job: int | None = 7) -> dict[str, Any]:
    return {"type": "step", "job": job, "text": text, "verbosity": verbosity}


def shown(*messages: dict[str, Any], **how: Any) -> Paper:
    paper = Paper(how.pop("verbosity", 0))
    shows = JobDisplay(paper, **how)
    for message in messages:
        shows.show(message)
    return paper


def test_steps_tell_the_job_as_soon_as_it_has_a_number() -> None:
    paper = shown(step("looking at the cluster", job=None), JOB, step("pod automation-job-7-x created"))
    assert paper.shown == [
        ("jobpods: looking at the cluster", STEP),
        ("job 7: site.yml", STEP),
        ("job 7: pod automation-job-7-x created", STEP),
    ]


def test_each_line_of_a_step_tells_its_job() -> None:
    paper = shown(JOB, step("one\ntwo\n"))
    assert paper.lines == ["job 7: site.yml", "job 7: one", "job 7: two"]


@pytest.mark.parametrize("verbosity", [0, 1, 2])
def test_steps_are_shown_from_their_verbosity_on(verbosity: int) -> None:
    paper = shown(step("0", 0), step("1", 1), step("2", 2), verbosity=verbosity)
    assert paper.lines == [f"job 7: {number}" for number in range(verbosity + 1)]


def test_warnings_are_shown_at_once() -> None:
    """Ansible's own `warning` would keep them back until the task has ended."""
    warnings = [{"type": "warning", "job": job, "text": "the connection is gone"} for job in (7, None)]
    paper = shown(JOB, *warnings, host="web1")
    assert paper.shown[1:] == [
        ("[web1] job 7: [WARNING] the connection is gone", constants.COLOR_WARN),
        ("[web1] jobpods: [WARNING] the connection is gone", constants.COLOR_WARN),
    ]


def test_output_of_one_job_is_the_playbook_s_own_text() -> None:
    paper = shown(
        JOB,
        output(
            ("playbook_on_play_start", False, "\nPLAY [all] ***"),
            ("playbook_on_task_start", False, "\nTASK [x] ***"),
            ("runner_on_ok", False, "ok: [a]"),
            ("runner_on_ok", True, "changed: [b]"),
        ),
    )
    assert paper.lines[1:] == ["", "PLAY [all] ***", "", "TASK [x] ***", "ok: [a]", "changed: [b]"]


def test_several_jobs_at_once_are_told_apart_by_number_and_name() -> None:
    paper = shown(
        JOB,
        *SLICES,
        step("running", job=8),
        output(("runner_on_ok", False, "ok: [a]\n\nmore"), job=8),
        output(("runner_on_ok", True, "changed: [b]"), job=9),
        step("job 8 (site.yml 1/2) ended successful"),
        {"type": "warning", "job": 9, "text": "slow"},
    )
    assert paper.lines == [
        "job 7: site.yml",
        "job 8 (site.yml 1/2): started",
        "job 9 (site.yml 2/2): started",
        "job 8 (site.yml 1/2): running",
        "job 8 (site.yml 1/2) | ok: [a]",
        "job 8 (site.yml 1/2) | ",
        "job 8 (site.yml 1/2) | more",
        "job 9 (site.yml 2/2) | changed: [b]",
        "job 7: job 8 (site.yml 1/2) ended successful",
        "job 9 (site.yml 2/2): [WARNING] slow",
    ]


def test_an_update_before_a_job_does_not_mark_the_job_s_own_output() -> None:
    update = {"type": "job", "id": 8, "name": "playbooks", "child": True}
    paper = shown(JOB, update, output(("verbose", False, "fetched"), job=8), output(("x", False, "PLAY")))
    assert paper.lines[1:] == ["job 8 (playbooks): started", "job 8 (playbooks) | fetched", "PLAY"]


def test_slices_of_several_hosts_of_the_play_are_marked_with_the_host_too() -> None:
    paper = shown(SLICES[0], output(("x", False, "PLAY"), job=8), host="web1")
    assert paper.lines == ["[web1] job 8 (site.yml 1/2): started", "[web1] job 8 (site.yml 1/2) | PLAY"]


def test_every_line_for_several_hosts_of_the_play_is_marked() -> None:
    mark = "[web1] job 7"
    paper = shown(JOB, step("created"), output(("runner_on_ok", False, "ok: [a]\n\nmore")), host="web1")
    assert paper.lines == [
        f"{mark}: site.yml",
        f"{mark}: created",
        f"{mark} | ok: [a]",
        f"{mark} | ",
        f"{mark} | more",
    ]


def test_neighbours_of_one_colour_are_one_message_to_ansible() -> None:
    paper = shown(
        output(
            ("runner_on_ok", False, "ok: [a]"),
            ("runner_on_ok", False, "ok: [b]"),
            ("runner_on_ok", True, "changed: [c]"),
            ("runner_on_failed", False, "fatal: [d]"),
            ("runner_item_on_failed", False, "failed: [d]"),
            ("runner_on_ok", False, "ok: [e]"),
        )
    )
    assert paper.shown == [
        ("ok: [a]\nok: [b]", OK),
        ("changed: [c]", CHANGED),
        ("fatal: [d]\nfailed: [d]", ERROR),
        ("ok: [e]", OK),
    ]


def test_lines_of_a_recap_and_of_a_difference_have_their_own_colours() -> None:
    """As those of Ansible have; a pod may call an event so whatever is in it."""
    recap = "ok=1    changed={}    unreachable={}    failed=0    skipped=0    rescued=0    ignored=0"
    paper = shown(
        output(
            ("playbook_on_stats", False, "\nPLAY RECAP ***\n" + f"a : {recap.format(0, 0)}"),
            ("playbook_on_stats", False, f"b : {recap.format(1, 0)}\nc : {recap.format(1, 1)}"),
            ("playbook_on_stats", False, "changed=many unreachable=0 failed=0"),
            ("runner_on_file_diff", False, "--- before\n+++ after\n@@ -1 +1 @@\n same\n-old\n+new\n"),
        )
    )
    assert [(text.partition(" : ")[0], color) for text, color in paper.shown] == [
        ("\nPLAY RECAP ***", None),
        ("a", OK),
        ("b", CHANGED),
        ("c", ERROR),
        ("changed=many unreachable=0 failed=0", None),
        ("--- before", constants.COLOR_DIFF_REMOVE),
        ("+++ after", constants.COLOR_DIFF_ADD),
        ("@@ -1 +1 @@", constants.COLOR_DIFF_LINES),
        (" same", None),
        ("-old", constants.COLOR_DIFF_REMOVE),
        ("+new", constants.COLOR_DIFF_ADD),
        ("", None),
    ]


def test_with_no_log_the_output_is_not_shown_and_the_steps_are() -> None:
    paper = shown(JOB, step("created"), output(("runner_on_ok", False, "secret")), output=False)
    assert paper.lines == ["job 7: site.yml", "job 7: created"]


def test_messages_of_a_later_version_are_passed_over() -> None:
    assert shown({"type": "progress", "percent": 5}, output()).shown == []


@pytest.mark.parametrize(
    ("event", "changed", "color"),
    [
        ("runner_on_ok", False, constants.COLOR_OK),
        ("runner_on_ok", True, constants.COLOR_CHANGED),
        ("runner_item_on_ok", True, constants.COLOR_CHANGED),
        ("runner_on_failed", True, constants.COLOR_ERROR),
        ("runner_on_unreachable", False, constants.COLOR_UNREACHABLE),
        ("runner_on_skipped", False, constants.COLOR_SKIP),
        ("runner_item_on_skipped", False, constants.COLOR_SKIP),
        ("warning", False, constants.COLOR_WARN),
        ("deprecated", False, constants.COLOR_DEPRECATE),
        ("error", False, constants.COLOR_ERROR),
        ("verbose", False, constants.COLOR_VERBOSE),
        ("playbook_on_stats", False, None),
        ("\x1b[31m", False, None),
    ],
)
def test_colours_are_those_of_ansible_s_default_callback(
    event: str, changed: bool, color: str | None
) -> None:
    assert event_color(event, changed) == color


@pytest.mark.parametrize(("changed", "color"), [(True, CHANGED), (False, OK)])
def test_good_end_is_told_in_one_line(changed: bool, color: str) -> None:
    paper = Paper()
    shows = JobDisplay(paper, host="web1")
    shows.show(JOB)
    shows.closing({"failed": False, "changed": changed, "msg": "Job 7 (site.yml) successful.", "job": FACTS})
    assert paper.shown[-1] == ("[web1] job 7: successful.", color)


def test_good_end_has_the_job_s_number_where_nothing_was_told_before() -> None:
    paper = Paper()
    JobDisplay(paper).closing({"failed": False, "changed": False, "msg": "done", "job": FACTS})
    assert paper.shown == [("job 7: done", OK)]


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"failed": True, "changed": True, "msg": "no", "job": FACTS}, id="failed"),
        pytest.param(refusal(Failure("InvalidConfiguration", "no")), id="refused"),
        pytest.param({"failed": False, "changed": False, "jobs": []}, id="job-info"),
    ],
)
def test_what_ansible_shows_by_itself_is_not_shown_twice(
    result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "TELLS_FAILURES", True)
    paper = Paper()
    JobDisplay(paper).closing(result)
    assert paper.shown == []


@pytest.mark.parametrize(
    ("result", "line"),
    [
        pytest.param(
            {"failed": True, "changed": True, "msg": "Job 7 (site.yml) error: no", "job": FACTS},
            "job 7: error: no",
            id="failed",
        ),
        pytest.param(
            refusal(Failure("InvalidConfiguration", "no", hint="Try.")),
            "jobpods: InvalidConfiguration: no. Try.",
            id="refused",
        ),
    ],
)
def test_a_failure_is_told_where_ansible_would_hide_it_in_the_result(
    result: dict[str, Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ansible-core does before 2.19."""
    monkeypatch.setattr(display, "TELLS_FAILURES", False)
    paper = Paper()
    JobDisplay(paper).closing(result)
    assert paper.shown == [(line, ERROR)]
