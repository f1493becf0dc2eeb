# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Git repositories and projects of a test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import ProjectSource

PLAYBOOK = "- hosts: all\n  tasks: []\n"
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@test",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@test",
    "LC_ALL": "C.UTF-8",
}
OPTIONS: dict[str, Any] = {
    "scm_type": "git",
    "local_path": "",
    "scm_url": "",
    "scm_branch": "",
    "scm_refspec": "",
    "scm_clean": False,
    "scm_track_submodules": False,
    "timeout": 0,
}


class Repository:
    """A repository with one branch, `main`, and one playbook, `site.yml`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit({"site.yml": PLAYBOOK}, "Begin")

    def git(self, *arguments: str) -> str:
        """Runs git; returns what it prints."""
        ran = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**os.environ, **ENVIRONMENT},
            check=True,
            capture_output=True,
            text=True,
        )
        return ran.stdout.strip()

    def commit(self, files: Mapping[str, str], message: str = "Change") -> str:
        """Commits files; returns the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", *(files or ("--all",)))
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


class Told:
    """A progress and an output that keep what they hear."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def step(self, text: str, verbosity: int = 0) -> None:
        raise AssertionError(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def events(self, batch: Batch) -> None:
        raise AssertionError(batch)

    def forgotten(self) -> None:
        raise AssertionError("nothing is forgotten")


def project(
    data_dir: Path,
    inputs: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> ProjectSource:
    """Project 3, as it would be stored."""
    values = {**OPTIONS, **options}
    given = {"PATH": os.environ["PATH"], **(environ or {})}
    return ProjectSource.from_stored(3, "website", values, inputs, data_dir=data_dir, environ=given)


def files(folder: Path) -> set[str]:
    """All that is in a folder, but for folders."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {str(path.relative_to(folder)) for path in found}
