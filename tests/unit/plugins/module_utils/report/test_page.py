# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a job: what is in it, that nothing of a pod does anything in it, and its size."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import refusal
from ansible_collections.jobpods.controller.plugins.module_utils.report.digest import (
    PodStay,
    ReportedJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.report.page import MAX_JOBS, Page
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.report.reading import (
    HOSTILE,
    Read,
    at,
    event,
    task,
)

ROOM = 1 << 20
PAGES_OWN = {"a", "button"}
EVERY_KIND = (
    "playbook_on_start",
    "playbook_on_play_start",
    "playbook_on_task_start",
    "runner_on_start",
    "runner_on_ok",
    "runner_on_failed",
    "runner_on_unreachable",
    "runner_on_skipped",
    "playbook_on_stats",
    "verbose",
)


def reported(number: int = 12, children: Sequence[ReportedJob] = (), **facts: Any) -> ReportedJob:
    """A job that was in a pod for two seconds."""
    told = refusal(Failure("PlaybookFailed", "1 host failed."), name="site.yml")["job"]
    given = {"id": number, "status": "successful", "failure": None, "job_explanation": "", "event_count": 3}
    stay = PodStay("pod-x", "node1", 100.0, 101.5, 103.0, "successful")
    return ReportedJob({**told, **given, **facts}, [stay], children)


def written(
    job: ReportedJob, events: Mapping[int, Iterable[Mapping[str, Any]]] | None = None, room: int = ROOM
) -> tuple[str, Read, Page]:
    """A page, read."""
    page = Page(job, lambda number: (events or {}).get(number, ()), room)
    source = b"".join(page.pieces()).decode()
    return source, Read(source), page


def ids(read: Read) -> set[str | None]:
    found = read.values("id")
    assert len(found) == len(set(found)), "two elements of one id"
    return set(found)


def assert_it_does_nothing_else(read: Read) -> None:
    """There is nothing in the page but its own elements, one style and one script; links stay in it."""
    assert (read.tags["script"], read.tags["style"], read.tags["img"]) == (1, 1, 0)
    names = {name for name, _value in read.attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "style", "srcdoc"}
    targets = read.values("href")
    assert {(target or "")[:1] for target in targets} <= {"#"}
    assert {(target or "")[1:] for target in targets} <= ids(read)


def test_good_job() -> None:
    events = [
        event("playbook_on_start"),
        *task("Install", 1, a=2, b=3.5),
        *task("Restart", 3.5, a=4),
        event("playbook_on_stats", "PLAY RECAP", at(5), ok={"a": 2, "b": 1}, changed={"a": 1}),
    ]
    _source, read, page = written(reported(launched_by="me@here", pod_name="pod-x"), {12: events})
    for words in ("Job 12", "site.yml", "successful", "me@here", "1.5 s waiting, 1.5 s running", "on node1"):
        assert words in read.text
    for words in ("Play: Site", "site.yml:7", "2.5 s", "b (2.5 s)", "ok: [a]", "PLAY RECAP"):
        assert words in read.text
    anchors = {f"job-12-{name}" for name in ("pods", "tasks", "hosts", "slowest", "output", "line-1")}
    assert anchors < ids(read)
    assert "Failures" not in read.text
    assert not any(vars(page.left_out).values())
    assert_it_does_nothing_else(read)


def test_the_page_allows_its_own_style_and_script_only() -> None:
    source, read, _page = written(reported())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', source)
    style, script = (base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in read.code)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none';"
        " form-action 'none'"
    )
    assert source.index("Content-Security-Policy") < source.index("<title>")
    assert not re.search(r"https?:|url\(|@import", source)


def test_failed_job() -> None:
    failure = Failure("PlaybookFailed", "1 host failed: a (Install): no").as_result()
    known = {"task": "Install", "task_uuid": "i", "play": "Site", "play_uuid": "p", "host": "a"}
    events = [
        event("runner_on_failed", "fatal: [a]", at(3), **known, res={"msg": "no way", "stderr": "because"}),
        event("runner_on_failed", "fatal: [b]", at(3), **{**known, "host": "b"}, res={"msg": "rescued"}),
        event("runner_on_failed", "...ignoring", at(3), **known, ignore_errors=True),
        event("playbook_on_stats", "", at(5), failures={"a": 1}, ok={"b": 1}, rescued={"b": 1}),
    ]
    job = reported(status="failed", failure=failure, result_traceback="Traceback of the worker")
    _source, read, _page = written(job, {12: events})
    for words in ("PlaybookFailed", failure["hint"], "phase: playbook", "Traceback of the worker"):
        assert words in read.text
    for words in ("no way", "because", "a failed Install", "b rescued Install", "1 failure ignored"):
        assert words in read.text
    assert "#job-12-line-1" in read.values("href")
    assert_it_does_nothing_else(read)


def test_job_that_goes_on_and_one_without_a_pod() -> None:
    _source, read, _page = written(reported(status="running", job_explanation="It waits."))
    assert "It has not ended: this is how it was when this page was written. It waits." in read.text
    stay = PodStay("", "", 100.0, None, 100.0, "error")
    failure = Failure("Unschedulable", "No room.").as_result()
    job = ReportedJob(reported(status="error", failure=failure, event_count=0).facts, [stay])
    _source, read, _page = written(job)
    assert "0.0 s waiting" in read.text
    assert "job-12-output" not in ids(read)


def test_start_and_resources() -> None:
    start = [
        {"phase": "queued", "at": "2026-01-01T00:00:00Z", "seconds": 2.25, "detail": "job 11 (site.yml)"},
        {"phase": "scheduling", "at": "2026-01-01T00:00:02Z", "seconds": 0.5, "detail": ""},
    ]
    resources = {
        "memory_peak": 157286400,
        "cpu_p95": 0.4312,
        "cpu_seconds": 3.0,
        "requests": {"cpu": "250m", "memory": "100Mi"},
        "limits": {},
        "suggested_requests": {"cpu": "540m", "memory": "188Mi"},
    }
    _source, read, _page = written(reported(start=start, resources=resources))
    for words in ("queued job 11 (site.yml)", "2.2 s", "150Mi, asks for 100Mi", "431m, asks for 250m"):
        assert words in read.text
    assert "cpu: 540m, memory: 188Mi" in read.text
    assert "job-12-start" in ids(read)
    assert "job-12-start" not in ids(written(reported(start=[], resources=None))[1])


def test_attempts() -> None:
    stays = [
        PodStay("pod-1", "node1", 100.0, 101.0, 103.0, "lost", "The node is gone."),
        PodStay("pod-2", "node2", 103.0, 104.0, 106.0, "successful"),
    ]
    job = ReportedJob({**reported().facts, "attempts": [{}, {}]}, stays)
    _source, read, _page = written(job)
    for words in ("Attempt 1: pod-1 on node1 The node is gone.", "Attempt 2: pod-2 on node2", "Attempts2"):
        assert words in read.text


def test_slices() -> None:
    children = [
        reported(13 + number, job_slice_number=number + 1, job_slice_count=3, type="job")
        for number in range(3)
    ]
    job = reported(children=children, type="workflow_job", event_count=0)
    events = {child.id: task(f"on {child.id}", 1, a=2) for child in children}
    _source, read, page = written(job, events)
    for words in ("Sliced job 12", "Slice 1 of 3", "Slice 3 of 3", "on 13", "on 15", "Up to sliced job 12"):
        assert words in read.text
    assert {"job-12", "job-13", "job-15-output"} < ids(read)
    assert {"#job-13", "#job-14", "#job-15", "#job-12"} < set(read.values("href"))
    assert (page.jobs, read.tags["h1"]) == (4, 1)
    assert_it_does_nothing_else(read)


def test_workflow_in_a_workflow() -> None:
    inner = reported(
        14, [reported(15, workflow_node="inner node")], type="workflow_job", workflow_node="flow"
    )
    job = reported(children=[reported(13, workflow_node="first"), inner], type="workflow_job")
    _source, read, page = written(job)
    assert page.jobs == 4
    for words in ("Workflow job 12", "first", "flow", "inner node"):
        assert words in read.text
    assert_it_does_nothing_else(read)


def test_jobs_beyond_the_limit_are_listed_only() -> None:
    children = [reported(100 + number, workflow_node=f"node {number}") for number in range(MAX_JOBS + 5)]
    _source, read, page = written(reported(children=children, type="workflow_job"))
    assert (page.jobs, page.left_out.jobs) == (MAX_JOBS, 6)
    assert f"node {MAX_JOBS + 4}" in read.text
    assert f"#job-{100 + MAX_JOBS + 4}" not in read.values("href")
    assert "leaves out 6 jobs." in read.text
    assert_it_does_nothing_else(read)


def test_output_that_one_job_does_not_need_is_left_for_the_others() -> None:
    children = [reported(13), reported(14)]
    much = [event("verbose", "x" * 99) for _line in range(100)]
    job = reported(children=children, type="workflow_job", event_count=0)
    for events, left in (({13: [], 14: much}, 0), ({13: much, 14: []}, 50), ({13: much, 14: much}, 100)):
        assert written(job, events, room=10_000)[2].left_out.lines == left


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_hostile_events_are_text(kind: str) -> None:
    nested = {
        HOSTILE: HOSTILE,
        "msg": HOSTILE,
        "results": [{"failed": True, "msg": HOSTILE, "item": HOSTILE}],
    }
    names = (
        "task",
        "play",
        "role",
        "host",
        "name",
        "task_path",
        "task_uuid",
        "play_uuid",
        "start",
        "duration",
    )
    facts: dict[str, Any] = {name: HOSTILE for name in names}
    facts.update({name: {HOSTILE: 1} for name in ("ok", "failures", "dark")})
    facts["res"] = {**nested, "stderr": HOSTILE, "stdout": HOSTILE, "exception": HOSTILE}
    events: list[dict[str, Any]] = [
        {"event": kind, "stdout": f"\x1b[31m{HOSTILE}\n{HOSTILE}", "created": at(1), "event_data": facts},
        {"event": kind, "stdout": [HOSTILE], "created": {}, "event_data": HOSTILE},
        {"event": [kind], "stdout": None},
        {"event": kind, "stdout": "\ud800\udfff\ufffe", "created": at(2), "event_data": {"task": "\ud800"}},
    ]
    _source, read, _page = written(reported(), {12: events})
    assert_it_does_nothing_else(read)
    assert HOSTILE in read.text


def test_hostile_row_is_text() -> None:
    failure = Failure("RunnerFailed", HOSTILE, hint=HOSTILE, traceback=HOSTILE)
    facts: dict[str, Any] = dict.fromkeys(
        ("name", "job_explanation", "result_traceback", "pod_name", "execution_node", "scm_revision"), HOSTILE
    )
    facts["failure"] = failure.as_result()
    stay = PodStay(HOSTILE, HOSTILE, 1.0, 2.0, 3.0, "lost", HOSTILE)
    job = reported(status="error", **facts)
    child = reported(13, workflow_node=HOSTILE)
    for each in (ReportedJob(job.facts, [stay]), ReportedJob(job.facts, [stay], [child])):
        _source, read, _page = written(each)
        assert_it_does_nothing_else(read)
        assert HOSTILE in read.text


def test_page_of_many_events_is_bounded() -> None:
    line = "\x1b[0;32mok: [host] => <&>\x1b[0m " + "x" * 60
    hosts = {f"h{number}": 1.0 for number in range(2000)}

    def many() -> Iterable[Mapping[str, Any]]:
        for number in range(500):
            known = {"task": f"T{number}" * 50, "task_uuid": str(number), "play_uuid": "p"}
            yield event("playbook_on_task_start", line, at(number), **known)
            for host in range(40):
                facts = {**known, "host": f"h{host}", "res": {"msg": "<" * 5000}, "duration": 1.0}
                yield event("runner_on_failed", line, at(number + 1), **facts)
        yield event("playbook_on_stats", "", failures=dict(hosts))

    source, read, page = written(reported(), {12: many()}, room=100_000)
    assert len(source) < 3_000_000
    left = page.left_out
    assert (left.tasks, left.hosts, left.failures) == (300, 1500, 19_900)
    assert left.lines > 15_000
    for number in (left.lines, left.tasks, left.hosts, left.failures):
        assert f"{number:,}" in read.text
    assert json.loads(json.dumps(vars(left)))["jobs"] == 0
