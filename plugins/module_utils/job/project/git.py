# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A git project: one bare mirror of its repository, from which revisions are checked out.

The mirror has the repository's branches as `refs/remotes/origin/...`, as a clone would, so that refspecs that
were written for AWX find their place. All of it happens under the project's lock.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.job.project.address import Address
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.commands import Commands, Ran
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.git_errors import (
    git_failure,
    missing_branch,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import (
    ProjectSource,
    invalid,
)

MIRROR = "mirror-"
ORIGIN = "refs/remotes/origin/"
DEFAULT = "refs/jobpods/default"
"""Where the repository's own HEAD is kept."""
COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
WHOLE_COMMIT = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_NO_REF = re.compile(r"^[-/.]|\.\.|[\x00-\x20\x7f~^:?*\[\\]|@\{|//|/$|\.lock$|\.$")
"""What no name of a branch has (git: check-ref-format)."""
_NO_REFSPEC = re.compile(r"^[-:]|[\x00-\x20\x7f~^?\[\\]|\.\.|@\{")


def check_words(branch: str, refspec: str) -> None:
    """Refuses what can't be a branch or a refspec.

    Raises:
        Failure: `InvalidConfiguration`.
    """
    if branch and (_NO_REF.search(branch) or branch == "FETCH_HEAD"):
        raise invalid(f"scm_branch is {branch!r}, which is no name of a branch, tag or commit.")
    if refspec and (_NO_REFSPEC.search(refspec) or refspec.count(":") > 1):
        raise invalid(
            f"scm_refspec is {refspec!r}; give one like refs/pull/*/head:refs/remotes/origin/pull/*."
        )


class Mirror:
    """The mirror of a project's repository."""

    def __init__(
        self, source: ProjectSource, address: Address, commands: Commands, environ: Mapping[str, str]
    ) -> None:
        self._source = source
        self._address = address
        self._commands = commands
        self._environ = environ
        # Of this address: commits of another repository must not be found in it.
        digest = hashlib.sha256(address.url.encode()).hexdigest()[:16]
        self.folder = source.folder / f"{MIRROR}{digest}.git"

    async def prepare(self) -> None:
        """Makes the mirror where there is none; removes those of other addresses and a killed git's locks."""
        for other in self._source.folder.glob(f"{MIRROR}*"):
            if other != self.folder or self._source.clean:
                shutil.rmtree(other, ignore_errors=True)
        if not self.folder.is_dir():
            made = self.folder.with_suffix(".new")
            await self._git(
                "init",
                "--quiet",
                "--bare",
                "--template=",
                str(made),
                what="git init",
                folder=self._source.folder,
            )
            made.rename(self.folder)
        for lock in self.folder.rglob("*.lock"):
            lock.unlink()  # we hold the project's lock, so nobody else works here

    async def fetch(self) -> None:
        """Brings the mirror up to date.

        Raises:
            Failure: `ProjectUpdateFailed`, with git's words.
        """
        self._commands.tell(f"fetching {self._address.url}")
        refspecs = [f"+refs/heads/*:{ORIGIN}*", "+refs/tags/*:refs/tags/*"]
        if self._source.refspec:
            refspecs.append(_with_destination(self._source.refspec))
        if self._wants_default:
            refspecs.append(f"+HEAD:{DEFAULT}")
        await self._fetch("--prune", refspecs=refspecs)
        commit = self._source.branch
        if WHOLE_COMMIT.fullmatch(commit) and not await self._has(commit):
            # Some servers give commits, too, that are on no branch any more.
            await self._git_ran("fetch", "--quiet", "--no-tags", "--", self._address.url, commit)

    async def resolve(self) -> str:
        """The commit that the project's branch is.

        Raises:
            Failure: `ProjectUpdateFailed`, where there is none; it names others.
        """
        branch = self._source.branch
        for name in self._candidates():
            found = await self._git_ran(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
            if found.status == 0:
                commit = found.output.strip()
                called = "the default branch" if self._wants_default else branch
                if called != commit:
                    self._commands.tell(f"{called} is commit {commit}: {await self._subject(commit)}")
                return commit
        raise missing_branch(branch or "HEAD", await self._names(), self._address.url)

    async def has(self, commit: str) -> bool:
        """Whether a commit is in the mirror."""
        return await self._has(commit)

    async def check_out(self, commit: str, folder: Path) -> None:
        """Makes an empty folder a plain copy of a commit, with its submodules.

        Raises:
            Failure: `ProjectUpdateFailed`, with git's words.
        """
        await self._git("init", "--quiet", "--template=", what="git init", folder=folder)
        alternates = folder / ".git" / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_text(f"{self.folder / 'objects'}\n", encoding="utf-8")
        # Submodules may have addresses relative to it.
        await self._git("config", "remote.origin.url", self._address.url, what="git config", folder=folder)
        what = "git checkout"
        await self._git("checkout", "--quiet", "--force", "--detach", commit, what=what, folder=folder)
        if (folder / ".gitmodules").is_file():
            await self._check_out_submodules(folder)
        _remove_git_folders(folder)

    async def _check_out_submodules(self, folder: Path) -> None:
        self._commands.tell("fetching submodules")
        remote = ("--remote",) if self._source.track_submodules else ()
        await self._git(
            *("submodule", "update", "--init", "--recursive", "--force", *remote),
            what="git submodule update",
            folder=folder,
        )
        status = await self._git(
            "submodule", "status", "--recursive", what="git submodule status", folder=folder
        )
        for line in status.output.splitlines():
            commit, _blank, path = line[1:].partition(" ")
            self._commands.tell(f"submodule {path.rpartition(' (')[0] or path} is commit {commit}")

    # -- names --

    @property
    def _wants_default(self) -> bool:
        return self._source.branch in ("", "HEAD")

    def _candidates(self) -> list[str]:
        """What the branch may be, in git's module's order: a branch, a tag, a commit."""
        branch = self._source.branch
        if self._wants_default:
            return [DEFAULT]
        found = [f"{ORIGIN}{branch}", f"refs/tags/{branch}"]
        if branch.startswith("refs/heads/"):
            found.append(f"{ORIGIN}{branch.removeprefix('refs/heads/')}")
        if branch.startswith("refs/"):
            found += [branch, f"{ORIGIN}{branch.removeprefix('refs/')}"]
        if branch.startswith("origin/"):
            found.append(f"refs/remotes/{branch}")
        if COMMIT.fullmatch(branch):
            found.append(branch)
        return found

    async def _names(self) -> list[str]:
        """The repository's branches and tags."""
        listed = await self._git(
            "for-each-ref", "--format=%(refname)", ORIGIN, "refs/tags/", what="git for-each-ref"
        )
        return [name.removeprefix(ORIGIN).removeprefix("refs/tags/") for name in listed.output.splitlines()]

    async def _subject(self, commit: str) -> str:
        shown = await self._git("log", "-1", "--format=%s", commit, what="git log")
        return shown.output.strip()[:200]

    async def _has(self, commit: str) -> bool:
        return (await self._git_ran("cat-file", "-e", f"{commit}^{{commit}}")).status == 0

    # -- git --

    async def _fetch(self, *options: str, refspecs: Sequence[str]) -> None:
        await self._git(
            *("fetch", "--quiet", "--force", "--no-tags", *options, "--", self._address.url, *refspecs),
            what="git fetch",
        )

    async def _git(self, *arguments: str, what: str, folder: Path | None = None) -> Ran:
        ran = await self._git_ran(*arguments, what=what, folder=folder)
        if ran.status:
            raise git_failure(
                what,
                ran.errors,
                address=self._address.url,
                known_hosts=str(self._source.folder / "known_hosts"),
            )
        return ran

    async def _git_ran(self, *arguments: str, what: str = "", folder: Path | None = None) -> Ran:
        environ = self._environ
        if folder is None:
            environ = {**environ, "GIT_DIR": str(self.folder)}
        return await self._commands.run(
            ("git", *arguments),
            what=what or f"git {arguments[0]}",
            environ=environ,
            folder=folder or self._source.folder,
        )


def _with_destination(refspec: str) -> str:
    """A refspec that says where to put what it fetches; by default where a branch of the same path is."""
    source, colon, destination = refspec.removeprefix("+").partition(":")
    if not colon:
        destination = f"{ORIGIN}{source.removeprefix('refs/').removeprefix('heads/')}"
    return f"+{source}:{destination}"


def _remove_git_folders(folder: Path) -> None:
    """Leaves plain files: what knows of the mirror, or of this folder's path, is of no use in a pod."""
    for path, folders, files in os.walk(folder):
        if ".git" in folders:
            shutil.rmtree(os.path.join(path, ".git"))
            folders.remove(".git")
        if ".git" in files:
            os.unlink(os.path.join(path, ".git"))
