# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every result has one shape, says what to do, and shows nothing of a pod's that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import (
    EventBatch,
    JobRecord,
    JobStore,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import REASONS, Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import result
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import (
    HOST_STATUSES,
    RunnerStream,
    Summary,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.pod_state import (
    evidence,
    final_trouble,
    lasting_trouble,
    pod_state,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import (
    job_facts,
    job_result,
    refusal,
    sentence,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.verdict import verdict
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.obeyed import (
    HOSTILE,
    UNFINISHED,
    obeyed,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_lines import (
    event,
    line,
)

COUNTS = dict.fromkeys(HOST_STATUSES, 0)
RECORD = JobRecord(
    id=7,
    uuid="u" * 32,
    type="job",
    name="site.yml",
    status="successful",
    status_since=datetime(2026, 1, 2, 3, 4, 8, tzinfo=timezone.utc),
    wait=True,
    failure=None,
    job_explanation="",
    result_traceback="",
    container_group=None,
    namespace="jobs",
    pod_name="automation-job-7-x",
    pod_uid="u1",
    pod_deleted=True,
    keep_pod_until=None,
    execution_node="node1",
    controller_node="here",
    created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    started=datetime(2026, 1, 2, 3, 4, 6, 789, tzinfo=timezone.utc),
    finished=datetime(2026, 1, 2, 3, 4, 8),  # noqa: DTZ001 - as SQLite gives it
    elapsed=2.04,
    start=[
        {"phase": "queued", "at": 1767323045.25, "seconds": 0.5, "detail": "full"},
        {"phase": "creating", "at": 1767323045.75, "seconds": None, "detail": ""},
    ],
    attempts=[],
    host_status_counts={**COUNTS, "ok": 3, "changed": 1},
    event_count=41,
    changed=True,
    artifacts={"release": "1.2"},
    facts={"resources": {"memory_peak": 5}},
    lease=1,
    owner="here",
    heartbeat=None,
    cancel_requested=False,
    stored_offset=5,
    launch_type="manual",
    launched_by="ann",
    organization_id=1,
    project_id=2,
    inventory_id=3,
    inventory_source_id=4,
    job_template_id=5,
    workflow_job_template_id=6,
    scm_revision="abc",
    task_impact=2,
    parent_id=8,
    workflow_node="first",
    job_slice_number=1,
    job_slice_count=2,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore.open(store_options({"data_dir": str(tmp_path / "store")}, {}, tmp_path))
    yield opened
    opened.close()


def new_job() -> NewJob:
    return NewJob(uuid4().hex, "job", "site.yml", True, "here", None, "jobs", {}, {})


def finished(store: JobStore, status: str = "successful", *, stdout: str = "", **columns: Any) -> int:
    """A job that has ended like this; returns its number."""
    job_id = store.create(new_job())
    lease = store.claim(job_id, "here")
    if stdout:
        lines = line(counter=1, event="verbose", stdout=stdout)
        store.add_events(job_id, lease, EventBatch(1, 1, lines, len(lines)))
    store.finish(job_id, lease, status=status, **columns)
    return job_id


def ended_with(store: JobStore, failure: Failure, **columns: Any) -> dict[str, Any]:
    """The result of a job with this failure, as its owner writes it down."""
    columns = {
        "failure": failure.as_result(),
        "job_explanation": failure.message,
        "result_traceback": failure.traceback,
        **columns,
    }
    return job_result(store, finished(store, failure.status, **columns))


# --- its shape -----

START = [
    {"phase": "queued", "at": "2026-01-02T03:04:05Z", "seconds": 0.5, "detail": "full"},
    {"phase": "creating", "at": "2026-01-02T03:04:05Z", "seconds": 2.25, "detail": ""},
]
LAST = {
    "start": START,
    "attempt": 1,
    "pod_name": "automation-job-7-x",
    "execution_node": "node1",
    "started": "2026-01-02T03:04:06Z",
    "finished": "2026-01-02T03:04:08Z",
    "reason": "",
    "message": "",
}
LOST = {
    "attempt": 1,
    "pod_name": "automation-job-7-y",
    "execution_node": "",
    "started": None,
    "finished": 1767323046.5,
    "reason": "NodeLost",
    "message": "\x1b[31mIt is.",
    "start": [{"phase": "queued", "at": 1767323045.0, "seconds": 1.0, "detail": "\x1b[31mfull"}],
}


def test_facts_are_the_record_s() -> None:
    assert job_facts(RECORD) == {
        "id": 7,
        "type": "job",
        "name": "site.yml",
        "status": "successful",
        "status_since": "2026-01-02T03:04:08Z",
        "failure": None,
        "job_explanation": "",
        "result_traceback": "",
        "container_group": None,
        "namespace": "jobs",
        "pod_name": "automation-job-7-x",
        "pod_kept_until": None,
        "execution_node": "node1",
        "start": START,
        "resources": {"memory_peak": 5},
        "attempts": [LAST],
        "controller_node": "here",
        "started": "2026-01-02T03:04:06Z",
        "finished": "2026-01-02T03:04:08Z",
        "elapsed": 2.04,
        "host_status_counts": {"ok": 3, "changed": 1, "failed": 0, "unreachable": 0, "skipped": 0},
        "event_count": 41,
        "artifacts": {"release": "1.2"},
        "launch_type": "manual",
        "launched_by": "ann",
        "organization": 1,
        "project": 2,
        "scm_revision": "abc",
        "inventory": 3,
        "inventory_source": 4,
        "job_template": 5,
        "workflow_job_template": 6,
        "workflow_job": 8,
        "workflow_node": "first",
        "job_slice_number": 1,
        "job_slice_count": 2,
        "slices": [],
    }


def test_lost_attempts_come_before_the_one_that_counts() -> None:
    start = [{"phase": "queued", "at": "2026-01-02T03:04:05Z", "seconds": 1.0, "detail": "full"}]
    told = {**LOST, "finished": "2026-01-02T03:04:06Z", "message": "It is.", "start": start}
    assert job_facts(replace(RECORD, attempts=[LOST]))["attempts"] == [told, {**LAST, "attempt": 2}]


def test_attempts_of_a_job_that_has_no_pod_now() -> None:
    between = replace(RECORD, attempts=[LOST], pod_name="", status="waiting")
    assert [each["attempt"] for each in job_facts(between)["attempts"]] == [1]
    assert job_facts(replace(between, attempts=[]))["attempts"] == []


def test_slices_are_the_jobs_that_belong_to_it_in_order(store: JobStore) -> None:
    whole = store.create(replace(new_job(), type="workflow_job"))
    columns = [
        {"parent_id": whole, "job_slice_number": number, "job_slice_count": 2, "workflow_node": str(number)}
        for number in (1, 2)
    ]
    parts = [store.create(replace(new_job(), columns=each)) for each in columns]
    store.create(new_job())
    told = job_result(store, whole)["job"]
    assert [part["id"] for part in told["slices"]] == parts
    assert [(part["job_slice_number"], part["workflow_job"]) for part in told["slices"]] == [
        (1, whole),
        (2, whole),
    ]
    assert all(part.keys() == told.keys() and not part["slices"] for part in told["slices"])


def test_jobs_of_a_workflow_within_a_workflow_are_in_its_slices(store: JobStore) -> None:
    outer = store.create(replace(new_job(), type="workflow_job"))
    inner = store.create(replace(new_job(), type="workflow_job", columns={"parent_id": outer}))
    job = store.create(replace(new_job(), columns={"parent_id": inner}))
    (told,) = job_result(store, outer)["job"]["slices"]
    assert (told["id"], [part["id"] for part in told["slices"]]) == (inner, [job])


@pytest.mark.parametrize("kind", ["job", "workflow_job"])
def test_number_and_status_are_where_awx_awx_has_them(store: JobStore, kind: str) -> None:
    number = store.create(replace(new_job(), type=kind))
    result = job_result(store, number)
    assert (result["id"], result["status"]) == (number, "pending") == (result["job"]["id"], "pending")
    assert result.get("job_info") == ({"id": number} if kind == "workflow_job" else None)


def test_refusal_has_the_shape_of_a_result(store: JobStore) -> None:
    made = job_result(store, finished(store))
    refused = refusal(Failure("InvalidConfiguration", "no"), name="it", controller_node="here")
    assert refused.keys() == made.keys()
    assert refused["job"].keys() == made["job"].keys() == job_facts(RECORD).keys()
    assert (refused["job"]["id"], refused["job"]["name"], refused["job"]["status"]) == (None, "it", "error")
    assert (refused["id"], refused["status"]) == (None, "error")
    assert refused["job"]["host_status_counts"] == made["job"]["host_status_counts"] == COUNTS


@pytest.mark.parametrize("reason", REASONS)
def test_failure_of_every_reason_is_told(store: JobStore, reason: str) -> None:
    failure = Failure(reason, "It is so", details={"hosts": ["a"]}, traceback="words")
    made, refused = ended_with(store, failure), refusal(failure)
    advice = f"{reason}: It is so. {failure.hint}".rstrip()
    assert refused["msg"] == advice
    assert made["msg"] == f"Job 1 (site.yml) {failure.status}: {advice}"
    for told in (made, refused):
        assert (told["failed"], told["job"]["status"]) == (True, failure.status)
        assert told["job"]["failure"] == failure.as_result()
        assert (told["job"]["job_explanation"], told["job"]["result_traceback"]) == ("It is so", "words")


@pytest.mark.parametrize("end", [".", "!", "?"])
def test_sentence_that_has_its_end_gets_no_other(end: str) -> None:
    assert refusal(Failure("Canceled", f"No{end}"))["msg"] == f"Canceled: No{end}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "Job 7 (site.yml) successful in 2.0 s: 3 ok, 1 changed.", id="successful"),
        pytest.param(
            {"host_status_counts": {}}, "Job 7 (site.yml) successful in 2.0 s: no hosts.", id="no-hosts"
        ),
        pytest.param(
            {"type": "project_update", "host_status_counts": {}},
            "Job 7 (site.yml) successful in 2.0 s.",
            id="update",
        ),
        pytest.param({"status": "running"}, "Job 7 (site.yml) is running.", id="running"),
        pytest.param(
            {"status": "pending", "job_explanation": "It waits for quota."},
            "Job 7 (site.yml) is pending. It waits for quota.",
            id="pending",
        ),
    ],
)
def test_one_sentence_about_a_job(changes: dict[str, Any], words: str) -> None:
    assert sentence(replace(RECORD, **changes)) == words


@pytest.mark.parametrize(
    ("reason", "known", "changed"),
    [
        pytest.param(None, True, True, id="changed"),
        pytest.param(None, False, False, id="unchanged"),
        pytest.param(None, None, True, id="not-known"),
        pytest.param("PlaybookFailed", False, False, id="failed-and-unchanged"),
        pytest.param("ImagePull", None, False, id="never-started"),
        pytest.param("Forbidden", None, False, id="refused"),
        pytest.param("NodeLost", None, True, id="lost"),
        pytest.param("Canceled", None, True, id="canceled"),
    ],
)
def test_changed_where_it_is_so_or_nobody_knows(
    store: JobStore, reason: str | None, known: bool | None, changed: bool
) -> None:
    failure = None if reason is None else Failure(reason, "no")
    status = "successful" if failure is None else failure.status
    described = None if failure is None else failure.as_result()
    told = job_result(store, finished(store, status, changed=known, failure=described))
    assert (told["changed"], told["failed"]) == (changed, failure is not None)


def test_job_that_runs_has_not_failed(store: JobStore) -> None:
    job_id = store.create(new_job())
    told = job_result(store, job_id)
    assert (told["failed"], told["changed"], told["msg"]) == (False, True, "Job 1 (site.yml) is pending.")


def test_long_output_loses_its_beginning(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "STDOUT_LIMIT", 10)
    long = job_result(store, finished(store, stdout="the beginning and the end"))
    assert (long["stdout"], long["stdout_truncated"]) == ("d the end\n", True)
    short = job_result(store, finished(store, stdout="the end"))
    assert (short["stdout"], short["stdout_truncated"]) == ("the end\n", False)


# --- what a pod says -----

EXITED = Ended(1, "exit", 2, None, "", "", None, None, 1.0, 0)


def summary(*lines: bytes) -> Summary:
    stream = RunnerStream()
    stream.feed(b"".join(lines))
    return stream.summary


def decided(ended: Ended, *lines: bytes) -> Failure | None:
    return verdict(ended, summary(*lines), 0)


def pod(**state: Any) -> Any:
    """The state of a pod whose worker is in this one."""
    statuses = [{"name": "worker", "state": state}]
    return pod_state({"metadata": {"uid": "u"}, "status": {"containerStatuses": statuses}}, "worker")


def failed_task(words: str) -> Failure | None:
    host = f"a{words}"
    return decided(
        EXITED,
        event(1, "runner_on_failed", words, host=host, task=words, play=words, res={"msg": f"{words} no"}),
        event(2, "playbook_on_stats", words, failures={host: 1}),
        line(status="failed", job_explanation=words, result_traceback=words),
        line(eof=True),
    )


def failed_start(words: str) -> Failure | None:
    return decided(EXITED, event(1, "error", f"[ERROR]: no {words}"), line(status="failed"), line(eof=True))


def broken_runner(words: str) -> Failure | None:
    ended = replace(EXITED, stderr=words)
    return decided(ended, event(1, "verbose", words), line(status=words[:9], result_traceback=words))


def missing_runner(words: str) -> Failure | None:
    return decided(replace(EXITED, cause="runner_missing", message=f"no runner {words}", stderr=words))


def endless_words(words: str) -> Failure | None:
    return decided(replace(EXITED, cause="spool", message=words + "x" * 100_000, stderr=words))


def last_words_of_a_container(words: str) -> Failure | None:
    failure = final_trouble(pod(terminated={"reason": f"Error{words}", "exitCode": 1, "message": words}))
    assert failure is not None
    failure.traceback = evidence({"status": {"message": words}}, [{"reason": words, "message": words}])
    return failure


def container_that_waits(words: str) -> Failure | None:
    return lasting_trouble(pod(waiting={"reason": "CreateContainerConfigError", "message": words}))


def event_of_the_pod(words: str) -> Failure | None:
    return lasting_trouble(pod(), [{"reason": "FailedMount", "message": words}])


@pytest.mark.parametrize("words", [HOSTILE, UNFINISHED], ids=["sequences", "unfinished"])
@pytest.mark.parametrize(
    "told",
    [
        failed_task,
        failed_start,
        broken_runner,
        missing_runner,
        endless_words,
        last_words_of_a_container,
        container_that_waits,
        event_of_the_pod,
    ],
)
def test_nothing_that_a_terminal_would_obey_is_in_a_result(store: JobStore, told: Any, words: str) -> None:
    failure = told(f"before {words} after")
    assert failure is not None
    made = ended_with(store, failure, execution_node=f"node{words}")
    assert failure.hint in made["msg"]
    assert len(made["msg"]) < 5000
    for shown in (made, refusal(failure, name=f"it{words}")):
        assert not obeyed(shown)
        assert failure.reason in shown["msg"]
        assert "before" in str(shown["job"])


def test_output_is_shown_without_sequences_and_artifacts_are_data(store: JobStore) -> None:
    data = {"colour": f"\x1b[31m{HOSTILE}"}
    made = job_result(store, finished(store, stdout=f"\x1b[31mred{HOSTILE}\x1b[0m", artifacts=data))
    assert made["stdout"] == "red\n"
    assert made["job"]["artifacts"] == data
