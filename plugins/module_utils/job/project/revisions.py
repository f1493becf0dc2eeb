# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of a project's revisions: each whole or not there, and kept as long as somebody reads it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

KEPT_REVISIONS = 3
"""Of a project: the last that were used; older ones go, unless somebody reads them at that moment."""
LOCK_INTERVAL = 0.1
HOLD_LIMIT = 60.0
"""Seconds to wait for a revision that is being replaced, which takes a moment."""
_BUSY = frozenset((errno.EAGAIN, errno.EACCES))
_TEMPORARY = "tmp-"


@dataclass(frozen=True)
class ProjectRevision:
    """What an update has brought.

    Attributes:
        folder: with the project's files.
        revision: commit, or hash of the archive; empty for a manual project.
    """

    folder: Path
    revision: str

    def held(self) -> AbstractContextManager[None]:
        """Keeps the folder as it is while its files are read; for threads.

        Raises:
            Failure: `ProjectNotFound`, where it is not there any more.
        """
        return _held(self.folder) if self.revision else nullcontext()


class Revisions:
    """The revisions of one project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._revisions = folder / "revisions"

    def prepare(self) -> None:
        """Makes the folders, for their owner only.

        Raises:
            Failure: `InvalidConfiguration`.
        """
        try:
            self._revisions.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
        except OSError as exc:
            raise Failure(
                "InvalidConfiguration",
                f"data_dir: the project's folder {self._folder} can't be made: {exc.strerror}.",
            ) from exc

    @asynccontextmanager
    async def locked(self, left: Callable[[], float], waiting: Callable[[], None]) -> AsyncIterator[bool]:
        """Keeps all other updates of the project out.

        Args:
            left: seconds that it may still wait.
            waiting: called once where it has to.

        Yields:
            Whether the project is locked now; False where there was no time left.
        """
        lock = _open(self._folder / "lock")
        try:
            told = False
            while not _try(lock, fcntl.LOCK_EX):
                if not told:
                    told = True
                    waiting()
                if not left():
                    yield False
                    return
                await asyncio.sleep(LOCK_INTERVAL)
            # Of updates that were killed.
            for each in self._folder.glob(f"{_TEMPORARY}*"):
                await asyncio.to_thread(shutil.rmtree, each, ignore_errors=True)
            yield True
        finally:
            os.close(lock)

    @asynccontextmanager
    async def temporary(self) -> AsyncIterator[Path]:
        """A private folder on the same file system, gone at the end; enter it with the project locked."""
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._folder))
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def path(self, revision: str) -> Path:
        """Where the files of a revision are, if they are there."""
        return self._revisions / revision

    async def place(self, made: Path, revision: str) -> Path:
        """Makes a folder the one of a revision, in place of what it had before.

        Args:
            made: the folder, from within `temporary`, which what was there before goes to.
            revision: whose files they are.

        Raises:
            Failure: `ProjectUpdateFailed`, where the one before is read for longer than `HOLD_LIMIT`.
        """
        folder = self.path(revision)
        end = time.monotonic() + HOLD_LIMIT
        while True:
            with _lock_at_once(folder, fcntl.LOCK_EX) as locked:
                if locked:
                    if folder.exists():
                        folder.rename(made.with_name("before"))
                    made.rename(folder)
                    return folder
            if time.monotonic() >= end:
                raise _in_use(folder)
            await asyncio.sleep(LOCK_INTERVAL)

    def use(self, revision: str) -> None:
        """Notes that a revision is used now."""
        path = _lock_path(self.path(revision))
        os.close(_open(path))
        os.utime(path)

    def clean(self) -> None:
        """Removes all but the last revisions, and but those that somebody reads."""
        locks = sorted(self._locks(), key=lambda path: path.stat().st_mtime, reverse=True)
        self._remove_unread(locks[KEPT_REVISIONS:])

    def _locks(self) -> list[Path]:
        return list(self._revisions.glob("*.lock"))

    def _remove_unread(self, locks: Iterable[Path]) -> None:
        for path in locks:
            with suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDWR)
                try:
                    if _try(descriptor, fcntl.LOCK_EX) and _is_at(descriptor, path):
                        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                        path.unlink()
                finally:
                    os.close(descriptor)

    # -- of a project that was deleted --

    @property
    def last_used(self) -> float:
        """When one was used last, in seconds since the epoch; 0 where there is nothing."""
        with suppress(FileNotFoundError):
            return max(path.stat().st_mtime for path in (self._folder, *self._locks()))
        return 0.0

    def remove(self) -> bool:
        """Removes all that there is of the project, unless somebody reads or updates it.

        Returns:
            Whether nothing is left. Where a revision is read, it stays, with the mirror that it is made from.

        Raises:
            OSError: it can't be removed.
        """
        try:
            lock = _open(self._folder / "lock")
        except FileNotFoundError:
            return True
        try:
            if not _try(lock, fcntl.LOCK_EX):
                return False
            self._remove_unread(self._locks())
            if self._locks():
                return False
            shutil.rmtree(self._folder)
            return True
        finally:
            os.close(lock)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    if not folder.is_dir():  # else the lock of a revision that is gone would be made
        raise _gone(folder)
    end = time.monotonic() + HOLD_LIMIT
    while True:
        with _lock_at_once(folder, fcntl.LOCK_SH) as locked:
            if locked:
                if not folder.is_dir():
                    raise _gone(folder)
                os.utime(_lock_path(folder))
                yield
                return
        if time.monotonic() >= end:
            raise _in_use(folder)
        time.sleep(LOCK_INTERVAL)


def _gone(folder: Path) -> Failure:
    return Failure(
        "ProjectNotFound",
        f"The project's revision {folder.name} is not on this controller node any more.",
        hint="Update the project, and launch again.",
        retryable=True,
    )


def _in_use(folder: Path) -> Failure:
    return Failure(
        "ProjectUpdateFailed",
        f"The project's revision {folder.name} was in use for longer than {HOLD_LIMIT:.0f} s.",
        retryable=True,
    )


@contextmanager
def _lock_at_once(folder: Path, how: int) -> Iterator[bool]:
    """Holds the lock of a revision, where that needs no waiting; gives whether it does."""
    path = _lock_path(folder)
    descriptor = _open(path)
    try:
        yield _try(descriptor, how) and _is_at(descriptor, path)
    finally:
        os.close(descriptor)


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try(descriptor: int, how: int) -> bool:
    """Takes a lock, if that needs no waiting."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno not in _BUSY:
            raise
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a file is still the one of this path: its lock is of no use where another took its place."""
    try:
        there, ours = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
