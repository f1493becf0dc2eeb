# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project's update: its files, at one revision, in a folder on the controller node."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.progress import Progress
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.address import (
    archive_address,
    git_address,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.archive import get_archive
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.commands import (
    Commands,
    Output,
    Redactor,
    TimeLimit,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.git import Mirror, check_words
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.git_access import git_access
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.playbooks import find_playbooks
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.requirements import (
    find_requirements,
    install_requirements,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.revisions import (
    ProjectRevision,
    Revisions,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import (
    UPDATE_LIMIT,
    ProjectSource,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.unpack import unpack

NAMED_PLAYBOOKS = 20
T = TypeVar("T")
Environ = dict[str, str]


async def update_project(
    source: ProjectSource,
    progress: Progress,
    *,
    output: Output,
    cancel: asyncio.Future[Failure] | None = None,
) -> ProjectRevision:
    """Brings a project up to date.

    Two updates of one project wait for each other, whatever process they are in.

    Args:
        source: the project.
        progress: warned of what needs no end.
        output: told each line that the update has to say, also those of git and ansible-galaxy.
        cancel: ends the update, and all that it has started, with the failure that it gets.

    Returns:
        The revision, whose folder is kept for as long as somebody holds it or it is one of the last.

    Raises:
        Failure: `InvalidConfiguration`, `ProjectNotFound` or `ProjectUpdateFailed`; or `cancel`'s.
    """
    return await _until(_Update(source, progress, output).run(), cancel)


async def find_revision(
    source: ProjectSource,
    revision: str,
    progress: Progress,
    *,
    output: Output,
    cancel: asyncio.Future[Failure] | None = None,
) -> ProjectRevision:
    """A revision that an update has brought before.

    Where it was removed meanwhile, or was brought by another controller, it is got again.

    Args:
        source: the project.
        revision: the one.
        progress: warned of what needs no end.
        output: told each line that there is to say.
        cancel: ends it with the failure that it gets.

    Raises:
        Failure: `ProjectNotFound`, where it is nowhere any more; or as `update_project`.
    """
    return await _until(_Update(source, progress, output).find(revision), cancel)


async def _until(work: Coroutine[Any, Any, T], cancel: asyncio.Future[Failure] | None) -> T:
    """The result of some work, or the failure of a cancel, whichever is first; no work goes on after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task, *((cancel,) if cancel else ())), return_when=asyncio.FIRST_COMPLETED)
        if task.done() or cancel is None:
            return task.result()
        raise cancel.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class _Update:
    """One update of one project."""

    def __init__(self, source: ProjectSource, progress: Progress, output: Output) -> None:
        self._source = source
        self._progress = progress
        seconds = source.timeout or UPDATE_LIMIT
        words = f"the project's timeout ({seconds} s)" if source.timeout else f"{seconds // 3600} hours"
        self._limit = TimeLimit(seconds, words)
        secrets = source.login.secrets if source.login is not None else ()
        self._commands = Commands(self._limit, output, Redactor(secrets))
        self._revisions = Revisions(source.folder)

    async def run(self) -> ProjectRevision:
        source = self._source
        if source.scm_type == "manual":
            found = await asyncio.to_thread(manual_revision, source)
            await self._tell_playbooks(found.folder)
            return found
        found = await self._locked(self._git if source.scm_type == "git" else self._archive)
        await self._tell_playbooks(found.folder)
        return found

    async def find(self, revision: str) -> ProjectRevision:
        if self._source.scm_type == "manual":
            return await asyncio.to_thread(manual_revision, self._source)
        folder = self._revisions.path(revision)
        if folder.is_dir():
            return ProjectRevision(folder, revision)
        work = self._git_again if self._source.scm_type == "git" else self._archive_again
        return await self._locked(lambda home: work(home, revision))

    async def _locked(self, work: Callable[[Path], Coroutine[Any, Any, ProjectRevision]]) -> ProjectRevision:
        """Does the work with the project locked, and with a private folder."""
        revisions = self._revisions
        revisions.prepare()
        try:
            async with revisions.locked(lambda: self._limit.left, self._tell_waiting) as locked:
                if not locked:
                    raise self._limit.over("waiting for another update of the project")
                async with revisions.temporary() as home:
                    found = await work(home)
                revisions.use(found.revision)
                await asyncio.to_thread(revisions.clean)
                return found
        except OSError as exc:
            raise Failure(
                "ProjectUpdateFailed",
                f"The project's folder {self._source.folder} can't be written: {exc.strerror or exc}.",
                hint="Make room in data_dir, and give it to the user that runs the controller.",
            ) from exc

    def _tell_waiting(self) -> None:
        self._commands.tell(f"waiting for another update of project {self._source.name}")

    # -- git --

    @asynccontextmanager
    async def _mirror(self, home: Path) -> AsyncIterator[tuple[Mirror, Environ]]:
        source = self._source
        check_words(source.branch, source.refspec)
        address = git_address(source.url, source.login)
        async with git_access(source, address, self._commands, home) as access:
            mirror = Mirror(source, address, self._commands, access)
            await mirror.prepare()
            yield mirror, access

    async def _git(self, home: Path) -> ProjectRevision:
        async with self._mirror(home) as (mirror, access):
            await mirror.fetch()
            return await self._check_out(mirror, await mirror.resolve(), access, home)

    async def _git_again(self, home: Path, commit: str) -> ProjectRevision:
        async with self._mirror(home) as (mirror, access):
            if not await mirror.has(commit):
                await mirror.fetch()
            if not await mirror.has(commit):
                raise self._lost(commit)
            return await self._check_out(mirror, commit, access, home)

    async def _check_out(self, mirror: Mirror, commit: str, access: Environ, home: Path) -> ProjectRevision:
        there = self._revisions.path(commit)
        if there.is_dir() and not self._source.clean and not self._may_differ(there):
            self._commands.tell(f"revision {commit} is already here")
            return ProjectRevision(there, commit)
        made = home / "made"
        made.mkdir()
        await mirror.check_out(commit, made)
        return await self._finish(made, commit, access, home)

    def _may_differ(self, there: Path) -> bool:
        """Whether the same commit may bring other files than before: those that it only refers to."""
        return (there / ".gitmodules").is_file() or bool(find_requirements(there))

    # -- archives --

    async def _archive(self, home: Path) -> ProjectRevision:
        source = self._source
        address = archive_address(source.url, source.login)
        archive = await get_archive(address, source.environ, self._commands)
        with archive.file:
            there = self._revisions.path(archive.revision)
            if there.is_dir() and not source.clean and not find_requirements(there):
                self._commands.tell(f"revision {archive.revision} is already here")
                return ProjectRevision(there, archive.revision)
            made = home / "made"
            made.mkdir()
            files = await self._in_thread(lambda go_on: unpack(archive.file, made, go_on))
        self._commands.tell(f"unpacked {files} files")
        async with git_access(source, address, self._commands, home) as access:
            return await self._finish(made, archive.revision, access, home)

    async def _archive_again(self, home: Path, revision: str) -> ProjectRevision:
        found = await self._archive(home)
        if found.revision != revision:
            raise self._lost(revision)
        return found

    # -- both --

    async def _finish(self, made: Path, revision: str, access: Environ, home: Path) -> ProjectRevision:
        found = find_requirements(made)
        if found:
            await install_requirements(
                made,
                found,
                access=access,
                commands=self._commands,
                home=home,
                given=self._source.environ,
            )
        folder = await self._revisions.place(made, revision)
        self._commands.tell(f"revision {revision} is in {folder}")
        return ProjectRevision(folder, revision)

    async def _in_thread(self, work: Callable[[Callable[[], None]], T]) -> T:
        """Works in a thread, which is over when this returns, also where it is cancelled."""
        stop = threading.Event()

        def go_on() -> None:
            if stop.is_set() or not self._limit.left:
                raise self._limit.over("unpacking the archive")

        task = asyncio.ensure_future(asyncio.to_thread(work, go_on))
        try:
            return await asyncio.shield(task)
        finally:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell_playbooks(self, folder: Path) -> None:
        names = await asyncio.to_thread(lambda: list(islice(find_playbooks(folder), NAMED_PLAYBOOKS + 1)))
        if not names:
            self._progress.warning(f"project {self._source.name} has no playbook: no file with plays in it")
            return
        more = ", ..." if len(names) > NAMED_PLAYBOOKS else ""
        self._commands.tell(f"playbooks: {', '.join(names[:NAMED_PLAYBOOKS])}{more}")

    def _lost(self, revision: str) -> Failure:
        return Failure(
            "ProjectNotFound",
            f"Revision {revision} of project {self._source.name!r} is not at {self._source.url} any more.",
            hint="Update the project, and launch again.",
            retryable=True,
        )


def manual_revision(source: ProjectSource) -> ProjectRevision:
    """The folder of a manual project, as it is.

    Raises:
        Failure: `ProjectNotFound`, where it can't be used.
    """
    path = source.local_path
    trouble = ""
    if not os.path.isabs(path):
        trouble = "must be an absolute path"
    elif not os.path.isdir(path):
        trouble = "is not a folder" if os.path.exists(path) else "does not exist"
    else:
        try:
            os.listdir(path)
            os.stat(os.path.join(path, "."))  # which takes the right to enter it
        except OSError as exc:
            trouble = f"can't be read: {exc.strerror}"
    if trouble:
        raise Failure("ProjectNotFound", f"local_path {path!r} of project {source.name!r} {trouble}.")
    return ProjectRevision(Path(path), "")
