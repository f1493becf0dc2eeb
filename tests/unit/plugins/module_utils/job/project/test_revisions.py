# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revisions of a project are whole, kept while somebody reads them, and go when they are old."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project import revisions as revising
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import (
    KEPT_REVISIONS,
    ProjectRevision,
    Revisions,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    files,
)


@pytest.fixture
def revisions(tmp_path: Path) -> Revisions:
    made = Revisions(tmp_path / "3")
    made.prepare()
    return made


async def placed(revisions: Revisions, revision: str, content: str = "") -> ProjectRevision:
    async with revisions.temporary() as home:
        (home / "made").mkdir()
        (home / "made" / "site.yml").write_text(content)
        folder = await revisions.place(home / "made", revision)
    return ProjectRevision(folder, revision)


async def test_a_revision_takes_the_place_of_what_it_was_before(revisions: Revisions, tmp_path: Path) -> None:
    first = await placed(revisions, "a", "one")
    assert (first.folder / "site.yml").read_text() == "one"
    assert await placed(revisions, "a", "two") == first
    assert (first.folder / "site.yml").read_text() == "two"
    assert files(tmp_path / "3") == {"revisions/a.lock", "revisions/a/site.yml"}


async def test_the_last_ones_are_kept(revisions: Revisions) -> None:
    made = [await placed(revisions, str(number)) for number in range(KEPT_REVISIONS + 2)]
    for age, each in enumerate(made):
        os.utime(each.folder.with_name(f"{each.revision}.lock"), (1000 + age, 1000 + age))
    revisions.use("0")
    revisions.clean()
    there = {each.revision for each in made if each.folder.exists()}
    assert there == {"0", *(str(number) for number in range(3, KEPT_REVISIONS + 2))}
    assert len(files(revisions._revisions)) == 2 * KEPT_REVISIONS


HOLDER = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


async def test_one_that_is_read_is_kept_however_old_it_is(revisions: Revisions) -> None:
    made = [await placed(revisions, str(number)) for number in range(KEPT_REVISIONS + 3)]
    locks = [each.folder.with_name(f"{each.revision}.lock") for each in made]
    with (
        made[0].held(),
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(locks[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other,
    ):
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "held\n"
        for age, each in enumerate(locks):
            os.utime(each, (1000 + age, 1000 + age))
        revisions.clean()
        assert [each.folder.exists() for each in made[:3]] == [True, True, False]
        other.stdin.close()
    for age, each in enumerate(locks[:2]):
        os.utime(each, (1000 + age, 1000 + age))
    revisions.clean()
    assert [each.folder.exists() for each in made[:3]] == [False, False, False]


async def test_one_that_is_read_is_not_replaced(
    revisions: Revisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await placed(revisions, "a", "one")
    with made.held(), made.held():
        replacing = asyncio.create_task(placed(revisions, "a", "two"))
        done, _pending = await asyncio.wait((replacing,), timeout=0.5)
        assert not done
        assert (made.folder / "site.yml").read_text() == "one"
    await replacing
    assert (made.folder / "site.yml").read_text() == "two"
    monkeypatch.setattr(revising, "HOLD_LIMIT", 0.2)
    with made.held(), pytest.raises(Failure, match="was in use for longer than 0 s"):
        await placed(revisions, "a", "three")


async def test_reading_touches_what_counts_as_its_age(revisions: Revisions) -> None:
    made = await placed(revisions, "a")
    lock = made.folder.with_name("a.lock")
    os.utime(lock, (1000, 1000))
    with made.held():
        assert lock.stat().st_mtime > 1000


async def test_one_that_is_gone_can_t_be_held(revisions: Revisions) -> None:
    with pytest.raises(Failure) as caught, ProjectRevision(revisions.path("a"), "a").held():
        raise AssertionError
    assert (caught.value.reason, caught.value.retryable) == ("ProjectNotFound", True)
    assert files(revisions._revisions) == set()


def test_the_folder_of_a_manual_project_needs_no_holding(tmp_path: Path) -> None:
    with ProjectRevision(tmp_path, "").held():
        assert files(tmp_path) == set()


async def test_a_lock_whose_file_was_replaced_is_none(revisions: Revisions) -> None:
    made = await placed(revisions, "a")
    with made.held():
        made.folder.with_name("a.lock").unlink()
        with made.held():
            assert made.folder.with_name("a.lock").exists()


# -- of a project that was deleted --


async def test_all_of_a_deleted_project_goes(revisions: Revisions, tmp_path: Path) -> None:
    await placed(revisions, "a")
    (tmp_path / "3" / "mirror").mkdir()
    assert revisions.remove()
    assert list(tmp_path.iterdir()) == []
    assert revisions.remove()
    assert revisions.last_used == 0
    assert list(tmp_path.iterdir()) == []


async def test_what_is_read_of_it_stays_with_its_mirror(revisions: Revisions, tmp_path: Path) -> None:
    read, unread = await placed(revisions, "a", "one"), await placed(revisions, "b")
    (tmp_path / "3" / "mirror").mkdir()
    with read.held():
        assert not revisions.remove()
        assert (read.folder / "site.yml").read_text() == "one"
        assert (tmp_path / "3" / "mirror").exists()
        assert not unread.folder.exists()
    assert revisions.remove()


async def test_it_stays_while_it_is_updated(revisions: Revisions) -> None:
    made = await placed(revisions, "a")
    async with revisions.locked(lambda: 0.0, lambda: None) as locked:
        assert locked
        assert not revisions.remove()
        assert made.folder.exists()
    assert revisions.remove()


async def test_when_it_was_used_last(revisions: Revisions, tmp_path: Path) -> None:
    made = await placed(revisions, "a")
    os.utime(made.folder.with_name("a.lock"), (1000, 1000))
    os.utime(tmp_path / "3", (2000, 2000))
    assert revisions.last_used == 2000
    revisions.use("a")
    assert revisions.last_used > 2000
