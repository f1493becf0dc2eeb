# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manual projects, and what all updates have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import ProjectRevision
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.update import (
    find_revision,
    update_project,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    PLAYBOOK,
    Told,
    project,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.test_unpack import (
    file,
    tar,
)


async def test_a_manual_project_is_used_where_it_is(tmp_path: Path) -> None:
    folder, told = tmp_path / "project", Told()
    folder.mkdir()
    (folder / "site.yml").write_text(PLAYBOOK)
    source = project(tmp_path / "data", scm_type="manual", local_path=str(folder))
    found = await update_project(source, told, output=told.lines.append)
    assert found == ProjectRevision(folder, "")
    assert (told.lines, told.warnings) == (["playbooks: site.yml"], [])
    assert await find_revision(source, "", told, output=told.lines.append) == found
    assert not (tmp_path / "data").exists()


async def test_only_so_many_playbooks_are_named(tmp_path: Path) -> None:
    told = Told()
    for number in range(30):
        (tmp_path / f"{number:02}.yml").write_text(PLAYBOOK)
    source = project(tmp_path, scm_type="manual", local_path=str(tmp_path))
    await update_project(source, told, output=told.lines.append)
    assert told.lines[0].startswith("playbooks: 00.yml, 01.yml") and told.lines[0].endswith("19.yml, ...")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("relative", "'relative' of project 'website' must be an absolute path", id="relative"),
        pytest.param("", "must be an absolute path", id="empty"),
        pytest.param("{folder}/none", "does not exist", id="missing"),
        pytest.param("{folder}/file", "is not a folder", id="file"),
        pytest.param("{folder}/locked", "can't be read: Permission denied", id="locked"),
    ],
)
async def test_a_manual_project_that_can_t_be_used(unprivileged: Path, path: str, words: str) -> None:
    (unprivileged / "file").touch()
    (unprivileged / "locked").mkdir(mode=0)
    path = path.format(folder=unprivileged)
    source, told = project(unprivileged / "data", scm_type="manual", local_path=path), Told()
    with pytest.raises(Failure) as caught:
        await update_project(source, told, output=told.lines.append)
    (unprivileged / "locked").chmod(0o700)
    assert caught.value.reason == "ProjectNotFound"
    assert caught.value.message.startswith("local_path ") and words in caught.value.message


async def test_a_project_s_folder_that_can_t_be_written(unprivileged: Path) -> None:
    archive, told = unprivileged / "website.tar", Told()
    archive.write_bytes(tar(file("site.yml"), mode="w"))
    source = project(unprivileged / "data", scm_type="archive", scm_url=str(archive))
    await update_project(source, told, output=told.lines.append)
    archive.write_bytes(tar(file("new.yml"), mode="w"))
    (source.folder / "revisions").chmod(0o500)
    with pytest.raises(Failure) as caught:
        await update_project(source, told, output=told.lines.append)
    (source.folder / "revisions").chmod(0o700)
    assert caught.value.reason == "ProjectUpdateFailed"
    assert caught.value.message.startswith(f"The project's folder {source.folder} can't be written: ")
