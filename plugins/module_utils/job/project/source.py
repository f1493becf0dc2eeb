# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a project comes from: its stored options, and the login that its credential gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

ScmType = Literal["manual", "git", "archive"]

UPDATE_LIMIT = 6 * 3600
"""Seconds that an update may take where the project has no timeout: the last net, so that none hangs."""


@dataclass(frozen=True)
class Login:
    """The inputs of a `source_control` credential; empty where not given."""

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key_data: str = field(default="", repr=False)
    ssh_key_unlock: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(secret for secret in (self.password, self.ssh_key_unlock) if secret)


@dataclass(frozen=True)
class ProjectSource:
    """A project as its update needs it. For a job on another branch, replace `branch`.

    Attributes:
        id: the stored project's.
        name: for messages.
        scm_type: `manual`, `git` or `archive`.
        local_path: the folder of a manual project.
        url: of the repository or archive.
        branch: branch, tag or commit; empty for the repository's own default.
        refspec: a further one to fetch.
        track_submodules: take submodules at the newest commit of their branch, not at the recorded one.
        clean: fetch and check out everything anew.
        timeout: seconds that an update may take; 0 for none but `UPDATE_LIMIT`.
        folder: where its revisions lie.
        login: None without a credential.
        environ: the caller's environment: where programs are, and proxies.
    """

    id: int
    name: str
    scm_type: ScmType
    local_path: str
    url: str
    branch: str
    refspec: str
    track_submodules: bool
    clean: bool
    timeout: int
    folder: Path
    login: Login | None
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_stored(
        cls,
        number: int,
        name: str,
        values: Mapping[str, Any],
        inputs: Mapping[str, Any] | None,
        *,
        data_dir: Path,
        environ: Mapping[str, str],
    ) -> ProjectSource:
        """The source of a stored project.

        Args:
            number: its id.
            name: its name.
            values: its stored options.
            inputs: of its credential; None where it has none.
            data_dir: the store's.
            environ: the caller's environment.
        """
        return cls(
            id=number,
            name=name,
            scm_type=cast(ScmType, values["scm_type"]),
            local_path=str(values["local_path"] or ""),
            url=str(values["scm_url"] or "").strip(),
            branch=str(values["scm_branch"] or "").strip(),
            refspec=str(values["scm_refspec"] or "").strip(),
            track_submodules=bool(values["scm_track_submodules"]),
            clean=bool(values["scm_clean"]),
            timeout=int(values["timeout"] or 0),
            folder=project_folder(data_dir, number),
            login=Login(**inputs) if inputs else None,
            environ=environ,
        )


def project_folder(data_dir: Path, number: int) -> Path:
    """Where the working copies of a project lie."""
    return data_dir / "projects" / str(number)


def project_folders(data_dir: Path) -> dict[int, Path]:
    """The folders that there are, by the projects' numbers."""
    found = (data_dir / "projects").glob("*")
    return {int(folder.name): folder for folder in found if folder.name.isdecimal()}


def invalid(message: str) -> Failure:
    """What is wrong with an option."""
    return Failure("InvalidConfiguration", message)
