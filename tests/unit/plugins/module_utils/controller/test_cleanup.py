# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs are deleted, and what goes with them."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import cleanup
from ansible_collections.jobpods.controller.plugins.module_utils.controller.cleanup import (
    DAY,
    Cleaned,
    JobCleanup,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.controller.records import (
    ACTIVE,
    FINAL,
    JOB_TYPES,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.tables import events, jobs
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    asked,
    done,
    event_batch,
    everything,
)
from sqlalchemy import Connection, select, update


class History:
    """Jobs of some age."""

    def __init__(self, store: JobStore, options: StoreOptions) -> None:
        self.store = store
        self.options = options

    def job(
        self,
        name: str,
        *,
        age: float = 100.0,
        kind: str = "job",
        status: str = "successful",
        parent: int | None = None,
        pod_deleted: bool = True,
        count: int = 0,
        folder: bool = False,
    ) -> int:
        """A job that ended `age` days ago, or began then and has not ended."""
        columns = {} if parent is None else {"parent_id": parent}
        job_id = self.store.create(
            NewJob(uuid.uuid4().hex, kind, name, False, "controller.test", columns=columns)
        )
        lease = self.store.claim(job_id, "me")
        for counter in range(1, count + 1):
            self.store.add_events(job_id, lease, event_batch(counter, counter))
        moment = time.time() - age * DAY
        values: dict[str, object] = {"created": moment - 60, "status": status, "pod_deleted": pod_deleted}
        if status in FINAL:
            values["finished"] = moment
        done(self.options, update(jobs).where(jobs.c.id == job_id).values(values))
        if folder:
            place = self.folder(job_id)
            (place / "artifacts").mkdir(parents=True)
            (place / "artifacts" / "stdout").write_text("hello")
        return job_id

    def folder(self, job_id: int) -> Path:
        return self.options.job_folder(job_id, self.store.get(job_id).uuid)

    def cleaned(self, days: int = 90, types: Sequence[str] = JOB_TYPES, *, dry_run: bool = False) -> Cleaned:
        work = JobCleanup(self.options, days=days, types=types, dry_run=dry_run)
        while work.step():
            pass
        work.close()
        return work.cleaned

    @property
    def names(self) -> list[str]:
        return [job.name for job in reversed(self.store.list())]


@pytest.fixture
def history(store: JobStore, options: StoreOptions) -> History:
    return History(store, options)


# -- which --


@pytest.mark.parametrize("status", sorted(FINAL))
def test_jobs_that_ended_long_ago_go(history: History, status: str) -> None:
    history.job("old", age=91, status=status)
    history.job("young", age=89, status=status)
    assert history.cleaned().jobs == {"job": 1}
    assert history.names == ["young"]


@pytest.mark.parametrize("status", ACTIVE)
def test_jobs_that_have_not_ended_stay(history: History, status: str) -> None:
    history.job("a", age=1000, status=status)
    assert history.cleaned(days=0) == Cleaned()
    assert history.names == ["a"]


def test_age_counts_from_the_end(history: History) -> None:
    job_id = history.job("took long", age=1)
    done(history.options, update(jobs).where(jobs.c.id == job_id).values(created=0.0, started=1.0))
    assert history.cleaned(days=2) == Cleaned()
    assert history.cleaned(days=0).jobs == {"job": 1}


def test_job_whose_pod_is_left_stays(history: History) -> None:
    history.job("left", pod_deleted=False)
    history.job("gone")
    assert history.cleaned() == Cleaned(jobs={"job": 1}, kept=1)
    assert history.names == ["left"]


@pytest.mark.parametrize("kind", JOB_TYPES)
def test_types(history: History, kind: str) -> None:
    for each in JOB_TYPES:
        history.job(each, kind=each)
    assert history.cleaned(types=[kind]).jobs == {kind: 1}
    assert history.names == [each for each in JOB_TYPES if each != kind]
    assert history.cleaned(types=[]) == Cleaned()


# -- with what --


def test_events_and_folders_go_too(history: History) -> None:
    old = history.job("old", count=3, folder=True)
    young = history.job("young", age=1, count=2, folder=True)
    history.job("without", count=1)
    place = history.folder(old)
    cleaned = history.cleaned()
    assert (cleaned.jobs, cleaned.events, cleaned.folders, cleaned.kept) == ({"job": 2}, 4, 1, 0)
    assert {row.job_id for row in asked(history.options, select(events.c.job_id))} == {young}
    assert not place.exists()
    assert history.folder(young).exists()
    assert len(list(history.store.events(young))) == 2


def test_folder_of_another_stores_job_of_this_number_stays(history: History) -> None:
    job_id = history.job("mine", folder=True)
    theirs = history.options.job_folder(job_id, uuid.uuid4().hex)
    theirs.mkdir()
    assert history.cleaned().folders == 1
    assert theirs.exists()


def test_what_a_link_leads_to_stays(history: History, tmp_path: Path) -> None:
    job_id = history.job("a", folder=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (history.folder(job_id) / "link").symlink_to(tmp_path / "elsewhere")
    assert history.cleaned().folders == 1
    assert (tmp_path / "elsewhere" / "file").exists()


def test_job_whose_folder_can_not_be_removed_stays(history: History) -> None:
    first = history.job("stuck")
    history.job("next")
    place = history.folder(first)
    place.parent.mkdir(parents=True)
    place.write_text("no folder")
    cleaned = history.cleaned()
    assert (cleaned.jobs, cleaned.kept) == ({"job": 1}, 1)
    assert cleaned.warnings == [f"job {first} is kept, since {place} can't be removed: Not a directory"]
    assert history.names == ["stuck"]
    os.unlink(place)
    assert history.cleaned().jobs == {"job": 1}


def family(history: History) -> list[int]:
    """A workflow with a job, and with a sliced one, which is a workflow job, too."""
    workflow = history.job("workflow", kind="workflow_job", count=1, folder=True)
    first = history.job("first", parent=workflow, kind="project_update")
    sliced = history.job("sliced", parent=workflow, kind="workflow_job")
    slices = [history.job(f"slice {number}", parent=sliced, count=2, folder=True) for number in (1, 2)]
    return [workflow, first, sliced, *slices]


def test_children_go_with_their_parent(history: History) -> None:
    family(history)
    cleaned = history.cleaned(types=["workflow_job"])
    assert cleaned.jobs == {"workflow_job": 2, "project_update": 1, "job": 2}
    assert (cleaned.events, cleaned.folders) == (5, 3)
    assert history.names == []


def test_children_never_go_without_their_parent(history: History) -> None:
    parent = history.job("parent", kind="workflow_job", age=10)
    history.job("child", parent=parent, age=100)
    assert history.cleaned() == Cleaned()
    history.job("running", kind="workflow_job", status="running")
    assert history.cleaned(types=["job", "project_update"], days=0) == Cleaned()
    assert history.names == ["parent", "child", "running"]


@pytest.mark.parametrize("member", range(1, 5))
@pytest.mark.parametrize("what", [{"status": "running"}, {"pod_deleted": False}], ids=str)
def test_family_stays_while_something_of_it_goes_on(
    history: History, member: int, what: dict[str, object]
) -> None:
    ids = family(history)
    done(history.options, update(jobs).where(jobs.c.id == ids[member]).values(what))
    before = everything(history.options)
    assert history.cleaned() == Cleaned(kept=1)
    assert everything(history.options) == before
    assert history.folder(ids[0]).exists()


# -- how --


def test_dry_run_only_counts(history: History) -> None:
    ids = family(history)
    history.job("old", count=3, folder=True)
    history.job("left", pod_deleted=False)
    history.job("young", age=1)
    before = everything(history.options)
    counted = history.cleaned(dry_run=True)
    assert everything(history.options) == before
    assert history.folder(ids[0]).exists()
    assert history.cleaned() == counted
    assert counted.jobs == {"workflow_job": 2, "project_update": 1, "job": 3}
    assert (counted.events, counted.folders, counted.kept) == (8, 4, 1)
    assert history.names == ["left", "young"]


@pytest.mark.parametrize(("looked_at", "at_once"), [(1, 1), (2, 3), (3, 2), (100, 50)], ids=str)
def test_steps_of_any_size(
    history: History, looked_at: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "LOOKED_AT", looked_at)
    monkeypatch.setattr(cleanup, "AT_ONCE", at_once)
    for number in range(5):
        history.job(f"left {number}", pod_deleted=False)
        history.job(f"old {number}", count=1)
        family(history)
        history.job(f"young {number}", age=1)
    cleaned = history.cleaned()
    assert cleaned.jobs == {"workflow_job": 10, "project_update": 5, "job": 15}
    assert (cleaned.events, cleaned.kept) == (30, 5)
    assert history.names == [f"{kind} {number}" for number in range(5) for kind in ("left", "young")]


def test_transactions_are_short(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "AT_ONCE", 2)
    for number in range(7):
        history.job(f"job {number}")
    work = JobCleanup(history.options, days=90, types=JOB_TYPES)
    sizes: list[int] = []
    write = work._database.write

    def counted(call: Callable[[Connection], set[int]]) -> set[int]:
        deleted = write(call)
        sizes.append(len(deleted))
        return deleted

    monkeypatch.setattr(work._database, "write", counted)
    assert work.step() is True
    assert work.step() is False
    work.close()
    assert sizes == [2, 2, 2, 1]


def test_two_at_once(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other one has deleted meanwhile is not counted."""
    for number in range(3):
        history.job(f"job {number}", folder=True)
    work = JobCleanup(history.options, days=90, types=JOB_TYPES)
    read = work._database.read
    others: list[Cleaned] = []

    def slow(call: Callable[[Connection], object]) -> object:
        found = read(call)
        if not others:
            others.append(history.cleaned())
        return found

    monkeypatch.setattr(work._database, "read", slow)
    while work.step():
        pass
    work.close()
    assert (others[0].jobs, others[0].folders) == ({"job": 3}, 3)
    assert work.cleaned == Cleaned()


def test_number_of_a_deleted_job_is_not_given_again(history: History) -> None:
    newest = [history.job(name) for name in ("a", "b")][-1]
    history.cleaned()
    assert history.names == []
    assert history.job("c") > newest


def test_no_key_is_needed(history: History) -> None:
    history.job("old")
    history.options.secret_key_file.unlink()
    assert history.cleaned().jobs == {"job": 1}
