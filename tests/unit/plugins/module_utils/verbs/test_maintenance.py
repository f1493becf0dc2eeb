# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that look after the store: what they answer, and what the check mode leaves."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller import engines
from ansible_collections.jobpods.controller.plugins.module_utils.controller.cleanup import DAY
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import (
    ProjectRevision,
    Revisions,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import project_folder
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.maintenance import VERBS
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.watching import watched


class Asked:
    """A user with a store.

    Attributes:
        feed: what the user is told.
        folder: where the store is.
    """

    def __init__(self, folder: Path) -> None:
        self.feed = KeptFeed()
        self.folder = folder
        self.options = store_options({"data_dir": str(folder / "store")}, {}, folder)
        self.store = JobStore.open(self.options)

    def job(self, name: str, kind: str = "job", status: str = "successful") -> int:
        """A job that has ended, or goes on where it has no final status."""
        job_id = self.store.create(NewJob(name, kind, name, True, "controller.test", launch={}))
        lease = self.store.claim(job_id, "me")
        if status != "running":
            self.store.finish(job_id, lease, status=status)
        self.options.job_folder(job_id, name).mkdir(parents=True)
        return job_id

    def names(self) -> list[str]:
        return [job.name for job in self.store.list()]

    async def verb(self, name: str, *, check: bool = False, gone: bool = False, **options: Any) -> Any:
        request = request_for(name, self.folder, check=check, **options)
        async with watched(gone=gone) as launcher:
            return await VERBS[name](request, self.feed, launcher)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(tmp_path)
    yield asked
    asked.store.close()


# -- cleanup_jobs --


async def test_jobs_that_ended_are_deleted(asked: Asked) -> None:
    for name in ("a", "b"):
        asked.job(name)
    asked.job("update", kind="project_update")
    asked.job("running", status="running")
    expected = {
        "changed": True,
        "failed": False,
        "msg": "3 jobs would be deleted.",
        "deleted": {"job": 2, "project_update": 1},
        "events": 0,
        "folders": 3,
        "kept": 0,
        "project_folders": 0,
    }
    assert await asked.verb("cleanup_jobs", check=True, days=0) == expected
    assert asked.names() == ["running", "update", "b", "a"]
    assert await asked.verb("cleanup_jobs", days=0) == {**expected, "msg": "3 jobs were deleted."}
    assert asked.names() == ["running"]
    again = await asked.verb("cleanup_jobs", days=0)
    assert (again["changed"], again["msg"], again["deleted"]) == (False, "0 jobs were deleted.", {})
    assert asked.feed.steps() == []
    assert asked.feed.steps(verbosity=1) == ["3 jobs would be deleted.", "3 jobs were deleted."]


async def test_jobs_are_kept_for_90_days(asked: Asked) -> None:
    asked.job("a")
    assert request_for("cleanup_jobs", asked.folder).params["days"] == 90
    for days in (None, 1, 36500):
        assert not (await asked.verb("cleanup_jobs", days=days))["changed"]
    assert asked.names() == ["a"]


async def test_types(asked: Asked) -> None:
    asked.job("a")
    asked.job("update", kind="project_update")
    result = await asked.verb("cleanup_jobs", days=0, job_types=["project_update", "ad_hoc_command"])
    assert (result["deleted"], result["msg"]) == ({"project_update": 1}, "1 job was deleted.")
    assert asked.names() == ["a"]
    with pytest.raises(Failure, match="job_types"):
        request_for("cleanup_jobs", asked.folder, job_types=["jobs"])


@pytest.mark.parametrize("days", [-1, 36501], ids=str)
async def test_days(asked: Asked, days: int) -> None:
    with pytest.raises(Failure) as caught:
        await asked.verb("cleanup_jobs", days=days)
    assert caught.value.message == f"days is {days}; it must be from 0 to 36500."


async def test_what_is_kept_is_told(asked: Asked) -> None:
    job_id = asked.job("a")
    folder = asked.options.job_folder(job_id, "a")
    folder.rmdir()
    folder.write_text("no folder")
    result = await asked.verb("cleanup_jobs", days=0)
    assert (result["changed"], result["kept"]) == (False, 1)
    assert result["msg"] == "0 jobs were deleted. 1 job of that age was kept."
    assert asked.feed.warnings == [f"job {job_id} is kept, since {folder} can't be removed: Not a directory"]


async def test_nothing_more_is_deleted_when_the_launcher_is_gone(asked: Asked) -> None:
    asked.job("a")
    assert not (await asked.verb("cleanup_jobs", gone=True, days=0))["changed"]
    assert asked.names() == ["a"]


def left_over(asked: Asked, number: int, *, age: float = 91.0) -> ProjectRevision:
    """What an update of a project has brought that many days ago."""
    revisions = Revisions(project_folder(asked.options.data_dir, number))
    revisions.prepare()
    revisions.path("a").mkdir()
    revisions.use("a")
    moment = time.time() - age * DAY
    for path in (revisions.path("a.lock"), revisions.path("a").parent.parent):
        os.utime(path, (moment, moment))
    return ProjectRevision(revisions.path("a"), "a")


async def test_what_is_left_of_deleted_projects_is_removed(asked: Asked) -> None:
    given = {"scm_type": "git", "scm_url": "https://git.test/a.git"}
    there = asked.store.objects.save("project", Wanted("code", given)).id
    assert there is not None
    kept = [left_over(asked, there), left_over(asked, 100, age=89), left_over(asked, 101)]
    gone = left_over(asked, 102)
    (asked.options.data_dir / "projects" / "notes").touch()
    with kept[2].held():
        for check in (True, False):
            result = await asked.verb("cleanup_jobs", check=check)
            assert (result["changed"], result["project_folders"]) == (True, 1)
            assert gone.folder.exists() == check
    assert all(each.folder.exists() for each in kept)
    assert (await asked.verb("cleanup_jobs", days=0, job_types=["job"]))["project_folders"] == 0
    assert (await asked.verb("cleanup_jobs", days=0))["project_folders"] == 2
    assert [each.folder.exists() for each in kept] == [True, False, False]


async def test_what_can_t_be_removed_of_a_deleted_project_is_told(asked: Asked) -> None:
    folder = left_over(asked, 100).folder.parent.parent
    (folder / "lock").mkdir()
    result = await asked.verb("cleanup_jobs", days=0)
    assert (result["changed"], result["project_folders"]) == (False, 0)
    assert asked.feed.warnings == [f"{folder} can't be removed: Is a directory"]


async def test_what_is_doubtful_of_the_store_is_told(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.store.close()  # else its journal could not be changed
    kind = engines.file_system(asked.folder)
    monkeypatch.setattr(engines, "NETWORK_FILE_SYSTEMS", frozenset((kind,)))
    await asked.verb("cleanup_jobs")
    (warning,) = asked.feed.warnings
    assert "is on a network file system" in warning


# -- regenerate_secret_key --


async def test_key_is_changed(asked: Asked) -> None:
    given = {"credential_type": "machine", "inputs": {"password": "hunter2"}}
    asked.store.objects.save("credential", Wanted("c", given))
    place = asked.options.secret_key_file
    former = place.read_bytes()
    tried = await asked.verb("regenerate_secret_key", check=True)
    assert place.read_bytes() == former
    assert tried["msg"] == "1 value would be sealed with a new key."
    changed = await asked.verb("regenerate_secret_key")
    assert place.read_bytes() != former
    assert changed == {
        "changed": True,
        "failed": False,
        "msg": "1 value was sealed with a new key.",
        "secret_key_file": str(place),
        "former_secret_key_file": tried["former_secret_key_file"],
        "resealed": {"credentials": 1},
    }
    assert Path(changed["former_secret_key_file"]).read_bytes() == former
    store = JobStore.open(asked.options)
    assert store.objects.get("credential", "c", "credential").values["inputs"] == given["inputs"]
    store.close()


async def test_key_stays_while_a_job_runs(asked: Asked) -> None:
    job_id = asked.job("a", status="running")
    before = asked.options.secret_key_file.read_bytes()
    for check in (True, False):
        with pytest.raises(Failure, match=rf"job {job_id} \(a\) on controller.test"):
            await asked.verb("regenerate_secret_key", check=check)
    assert asked.options.secret_key_file.read_bytes() == before
