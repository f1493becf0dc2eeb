# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job whose process is gone goes on from where that one has brought it, whatever it has got stored."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import this_machine
from ansible_collections.jobpods.controller.plugins.module_utils.controller.placing import Pending
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import (
    EventBatch,
    JobRecord,
    LeaseLost,
    NewJob,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.conversation import ATTACHES_PER_LEASE
from ansible_collections.jobpods.controller.plugins.module_utils.pod import wire
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import adoption
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.adoption import (
    LAUNCHER_GONE,
    Adoption,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.orphans import Orphans, orphans
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.owned_jobs import OwnedJob
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.api_server import status
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    PODS,
    SECRETS,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.adopting import (
    GONE,
    Scene,
    change,
    hurry,
    left_behind,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import shown
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    ended,
    scripted_runner,
    until,
)

FULL = status(403, "pods is forbidden: exceeded quota: small", "Forbidden")
UNNOTED = {"pod_uid": "", "pod_name": "", "pod_deleted": True}
"""What the row of a job says of its pod before that is noted."""


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def scene(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    hurry(monkeypatch)
    async with left_behind(tmp_path, authority) as made:
        yield made


def check_whole(scene: Scene) -> None:
    """The job was successful, all of its events are there once and in order, and nothing is left of it."""
    record = scene.record()
    assert (record.status, record.failure) == ("successful", None), record.result_traceback
    assert (record.artifacts, record.event_count) == ({"x": 1}, 2)
    assert scene.counters() == [1, 2]
    assert record.started is not None
    assert record.pod_deleted
    assert not scene.at.exists
    for kept in (scene.store.launch, scene.store.caller, scene.store.connection):
        with pytest.raises(Failure, match="keeps no"):
            kept(record.id)


def first_job(scene: Scene) -> JobRecord | None:
    """The job as it is now, if it is there."""
    return next(iter(scene.stock.all_jobs()), None)


async def left_pending(scene: Scene, monkeypatch: pytest.MonkeyPatch, **options: Any) -> JobRecord:
    """A job that nobody has given a place yet."""

    def waits() -> bool:
        job = first_job(scene)
        return job is not None and job.job_explanation == "no room"

    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "place", lambda *_args: Pending("no room"))
        return await scene.left(waits, **options)


async def left_without_pod(scene: Scene, **options: Any) -> JobRecord:
    """A job whose pod a quota does not allow; it is allowed afterwards."""

    def waits() -> bool:
        job = first_job(scene)
        return job is not None and "quota" in job.job_explanation

    create = scene.at.server.replies[("POST", PODS)]
    scene.at.server.on("POST", PODS, FULL)
    left = await scene.left(waits, **options)
    scene.at.server.replies[("POST", PODS)] = create
    return left


async def left_unheard(scene: Scene, **options: Any) -> JobRecord:
    """A job with a pod that has not answered yet."""

    def is_known() -> bool:
        job = first_job(scene)
        return job is not None and bool(job.pod_uid)

    scene.at.flowing.clear()
    left = await scene.left(is_known, **options)
    scene.at.flowing.set()
    return left


async def left_running(scene: Scene, **options: Any) -> JobRecord:
    """A job that stands at the gate, and whose first event is stored."""

    def at_the_gate() -> bool:
        job = first_job(scene)
        return job is not None and job.event_count == 1 and job.status == "running"

    return await scene.left(at_the_gate, **options)


# --- the phases of a job -----


async def test_job_that_waits_for_its_turn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    left = await left_pending(scene, monkeypatch)
    assert (left.status, left.namespace) == ("pending", "")
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)
    assert scene.record().lease == left.lease + 1


async def test_job_that_has_just_got_its_place(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it runs is not stored yet, so it is prepared again; its place it has."""
    left = await left_pending(scene, monkeypatch)
    scene.found(left.id, status="waiting")
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_job_that_has_no_pod_yet(scene: Scene) -> None:
    left = await left_without_pod(scene)
    assert (left.status, left.namespace, left.pod_uid) == ("pending", "jobs", "")
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_pod_that_nobody_has_noted(scene: Scene) -> None:
    """Its create was sent, and the owner was gone before it could store that: it is found, and used."""
    left = await left_unheard(scene)
    scene.found(left.id, **UNNOTED)
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)
    assert scene.at.requests("POST") == 1


async def test_pod_that_has_nothing_yet(scene: Scene) -> None:
    await left_unheard(scene)
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_pod_that_has_half_of_another_payload(scene: Scene) -> None:
    """What is built again may differ in any byte from what the owner has sent of it."""
    left = await left_unheard(scene)
    session = (left.lease + 1) * ATTACHES_PER_LEASE - 1
    scene.at.pod.send(wire.attach(session, 0), wire.payload(session, 0, b"x" * 100))
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_pod_that_has_not_got_a_payload_which_can_t_be_built_from_here(scene: Scene) -> None:
    await left_unheard(scene)
    shutil.rmtree(scene.stock.folder / "project")
    await scene.adopt()
    record = scene.record()
    assert (record.status, failure(record)["reason"]) == ("error", "ControllerLost")
    assert failure(record)["retryable"]
    assert "gone before all of the job was in its pod" in record.job_explanation
    assert not scene.at.exists


async def test_run_goes_on_without_what_it_was_made_from(scene: Scene) -> None:
    await left_running(scene)
    shutil.rmtree(scene.stock.folder / "project")
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_start_that_was_not_noted(scene: Scene) -> None:
    """The owner was gone between the run's start and the row that says so."""
    left = await left_running(scene)
    scene.found(left.id, status="waiting", started=None)
    scene.open_gate()
    await scene.adopt()
    check_whole(scene)


async def test_end_that_nobody_saw(scene: Scene) -> None:
    await left_running(scene)
    scene.open_gate()
    await until(scene.at.ended.is_set)
    await scene.adopt()
    check_whole(scene)


async def test_end_whose_last_words_are_sent_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """All events were stored, and the verdict was not: only the run's end comes from the pod again."""

    def lose(*_args: Any, **_columns: Any) -> None:
        raise LeaseLost("killed")

    scene.open_gate()
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "finish", lose)
        left = await scene.left(lambda: first_job(scene) is not None and scene.record().event_count == 2)
    assert scene.at.exists
    assert left.finished is None
    await scene.adopt()
    check_whole(scene)


async def test_pod_that_is_gone(scene: Scene) -> None:
    await left_running(scene)
    scene.at.lose()
    await scene.adopt()
    record = scene.record()
    assert (record.status, failure(record)["reason"]) == ("error", "ControllerLost")
    assert record.pod_name in record.job_explanation
    assert (scene.counters(), record.changed, record.pod_deleted) == ([1], None, True)


# --- cancels -----


async def test_attached_job_is_cancelled_before_anything_is_prepared(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await left_pending(scene, monkeypatch, wait=True)
    await scene.adopt()
    record = scene.record()
    assert (record.status, record.job_explanation) == ("canceled", LAUNCHER_GONE)
    assert scene.at.manifest is None


async def test_attached_job_is_cancelled_before_its_pod_is_made(scene: Scene) -> None:
    await left_without_pod(scene, wait=True)
    await scene.adopt()
    assert scene.record().status == "canceled"
    assert scene.at.manifest is None


async def test_attached_job_is_cancelled_and_the_pod_deleted_that_nobody_has_noted(scene: Scene) -> None:
    left = await left_unheard(scene, wait=True)
    scene.found(left.id, **UNNOTED)
    await scene.adopt()
    record = scene.record()
    assert (record.status, record.pod_name, record.pod_deleted) == ("canceled", left.pod_name, True)
    assert not scene.at.exists


async def test_attached_job_is_cancelled_gently(scene: Scene) -> None:
    """The run is asked to stop, and what it has printed meanwhile is kept."""
    await left_running(scene, wait=True)
    await scene.adopt()
    record = scene.record()
    assert (record.status, record.job_explanation) == ("canceled", LAUNCHER_GONE)
    assert scene.counters() == [1]
    assert (scene.at.deleted, scene.at.exists) == ([0], False)


async def test_cancel_that_nobody_has_heard(scene: Scene) -> None:
    await left_running(scene)
    scene.store.request_cancel(1)
    await scene.adopt()
    assert scene.record().status == "canceled"
    assert not scene.at.exists


# --- what can't go on -----


@pytest.mark.parametrize("kind", ["project_update", "inventory_update"])
async def test_update(scene: Scene, kind: str) -> None:
    job_id = scene.store.create(NewJob("u" * 32, kind, "code", False, "that-node"))
    scene.store.update(job_id, scene.store.claim(job_id, "here"), status="running")
    scene.found(job_id)
    await scene.adopt()
    record = scene.record()
    assert (record.status, failure(record)["reason"]) == ("error", "ControllerLost")
    assert "on that-node" in record.job_explanation


async def test_run_without_a_pod(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_runner(scene.stock.folder, monkeypatch)
    gate = str(scene.stock.folder / "gate")

    def runs() -> bool:
        job = first_job(scene)
        return job is not None and job.status == "running"

    options = {"container_group": None, "instance_groups": ["controlplane"], "extra_vars": {"until": gate}}
    left = await scene.left(runs, **options)
    scene.found(left.id, controller_node="that-node")
    await scene.adopt()
    record = scene.record()
    assert (record.status, failure(record)["reason"]) == ("error", "ControllerLost")
    assert "on the controller node that-node" in record.job_explanation


async def test_job_of_which_nothing_is_kept(scene: Scene) -> None:
    job_id = scene.store.create(NewJob("u" * 32, "job", "site.yml", False, "that-node"))
    scene.found(job_id)
    await scene.adopt()
    assert scene.record().status == "error"
    assert "keeps no" in scene.record().job_explanation


async def test_pod_of_a_job_that_can_t_go_on_is_deleted_later(scene: Scene) -> None:
    """What is stored of it is not what a run sends: nobody can read on after that."""
    left = await left_running(scene)
    event = b'{"counter": 7, "event": "verbose", "stdout": ""}\n'
    scene.store.add_events(left.id, left.lease, EventBatch(2, 2, event, left.stored_offset))
    scene.found(left.id)
    await scene.adopt()
    record = scene.record()
    assert (record.status, failure(record)["reason"]) == ("error", "ProtocolViolation")
    assert (record.changed, record.pod_deleted, scene.at.exists) == (None, False, True)
    scene.found(left.id)
    scene.at.server.on("GET", f"{SECRETS}/{left.pod_name}-pull", status(404, "no", "NotFound"))
    await scene.adopt()
    assert (scene.record().pod_deleted, scene.at.exists) == (True, False)


async def test_without_the_key_the_job_is_left_alone(scene: Scene) -> None:
    left = await left_running(scene)
    (key,) = (scene.stock.folder / "store").glob("*key*")
    key.rename(scene.stock.folder / "elsewhere")
    with pytest.raises(Failure, match="key"):
        await scene.adopt()
    assert replace(scene.record(), elapsed=0.0) == replace(left, elapsed=0.0)
    assert scene.at.exists


# --- whose it is -----


async def test_owner_that_was_only_silent_keeps_its_job(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the database was locked: its silence is long enough, but it writes as soon as it can."""
    async with scene.stock.jobs() as jobs:
        job = await scene.launch(jobs)
        await until(lambda: scene.record().event_count == 1)
        lease = scene.record().lease
        found: list[int] = []

        def looks(store: JobStore) -> Orphans:
            change(scene.stock.folder, job.id, owner=GONE, heartbeat=1.0)
            seen = orphans(store)
            found.extend(each.id for each in seen.jobs)
            return seen

        monkeypatch.setattr(adoption, "orphans", looks)
        monkeypatch.setattr(adoption, "OWNER_MOMENT", 1.0)
        await scene.adopt()
        assert found == [job.id]
        assert scene.record().lease == lease
        scene.open_gate()
        await ended(job)
    check_whole(scene)


async def test_job_that_has_ended_meanwhile(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    left = await left_running(scene)

    def looks(store: JobStore) -> Orphans:
        found = orphans(store)
        store.finish(left.id, left.lease, status="successful", pod_deleted=True)
        return found

    monkeypatch.setattr(adoption, "orphans", looks)
    await scene.adopt()
    assert (scene.record().status, scene.record().lease) == ("successful", left.lease)


@pytest.mark.parametrize("refused", ["claim", "touch"])
async def test_job_that_the_store_does_not_give_keeps_no_other_from_going_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """The database is away while one of two jobs is looked after; the next look finds that one again."""
    left = await left_running(scene)
    other = scene.store.create(NewJob("u" * 32, "job", "site.yml", False, "that-node"))
    change(scene.stock.folder, left.id, owner=f"{this_machine()}999999999 1")
    scene.found(other)
    does = getattr(JobStore, refused)

    def away(store: JobStore, job_id: int, *arguments: Any, **columns: Any) -> Any:
        if job_id == other:
            raise Failure("InvalidConfiguration", "The database can't be used: it is away.")
        return does(store, job_id, *arguments, **columns)

    scene.open_gate()
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, refused, away)
        await scene.adopt()
    check_whole(scene)
    assert scene.record(other).status == "pending"
    await scene.adopt()
    assert scene.record(other).status == "error"


async def test_two_at_once(scene: Scene) -> None:
    left = await left_running(scene)
    scene.open_gate()
    async with scene.stock.jobs() as one, scene.stock.jobs() as other:
        taken = await asyncio.gather(
            *(Adoption(jobs).take(left) for jobs in (one, other)), return_exceptions=True
        )
        (job,) = (each for each in taken if isinstance(each, OwnedJob))
        assert [type(each) for each in taken if each is not job] == [LeaseLost]
        await ended(job)
    check_whole(scene)


async def test_what_its_owner_has_stored_since_it_was_found_counts(scene: Scene) -> None:
    """It was frozen: between the look at the row and the lease it has stored the pod and an event."""
    left = await left_running(scene)
    old = replace(left, pod_uid="", pod_name="", event_count=0, stored_offset=0, started=None)
    scene.open_gate()
    async with scene.stock.jobs() as jobs:
        await ended(await Adoption(jobs).take(old))
    check_whole(scene)


# --- launchers that go on -----


async def test_launcher_sees_what_it_has_not_seen(scene: Scene) -> None:
    await left_running(scene, wait=True)
    scene.open_gate()
    result, messages = await scene.resume(job_1=0)
    assert (result["failed"], result["job"]["status"]) == (False, "successful"), result
    assert shown(messages) == ["PLAY", "RECAP"]
    check_whole(scene)


async def test_launcher_sees_nothing_twice(scene: Scene) -> None:
    await left_running(scene, wait=True)
    scene.open_gate()
    _result, messages = await scene.resume(job_1=1)
    assert shown(messages) == ["RECAP"]


async def test_launcher_that_has_seen_more_than_was_stored(scene: Scene) -> None:
    left = await left_unheard(scene, wait=True)
    assert left.event_count == 0
    scene.open_gate()
    _result, messages = await scene.resume(job_1=1)
    assert shown(messages) == ["RECAP"]
    check_whole(scene)


async def test_launcher_of_a_job_that_ended_as_its_process_was_killed(scene: Scene) -> None:
    scene.open_gate()
    await scene.stock.ask("container_group_job", **scene.options(wait=True))
    result, messages = await scene.resume(job_1=1)
    assert (result["failed"], result["job"]["status"]) == (False, "successful")
    assert shown(messages) == ["RECAP"]


async def test_launcher_whose_job_another_one_has_taken(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = await left_running(scene, wait=True)
    take = Adoption.take

    async def late(self: Adoption, record: JobRecord, **how: Any) -> OwnedJob:
        change(scene.stock.folder, record.id, lease=record.lease + 1)
        return await take(self, record, **how)

    monkeypatch.setattr(Adoption, "take", late)
    with pytest.raises(Failure, match="another one has taken the job over") as refused:
        await scene.resume(job_1=1)
    assert refused.value.reason == "ControllerLost"
    assert f"job_id: {left.id}" in refused.value.hint


def failure(record: JobRecord) -> dict[str, Any]:
    assert record.failure is not None, record.status
    return record.failure
