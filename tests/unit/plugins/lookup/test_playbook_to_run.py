# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook jobpods.controller.run, as far as it needs no pod: it looks, and refuses mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils import failures

SITE = "[{name: Shop, hosts: all, tasks: [{name: Open the shop, debug: {msg: open}, tags: [morning]}]}]"


def ansible_playbook(folder: Path, *arguments: str) -> tuple[int, str]:
    """Runs it in a folder with a site.yml; returns its exit status, and what it printed in one line."""
    (folder / "work").mkdir()
    (folder / "work/site.yml").write_text(SITE)
    (folder / "site.yml").write_text(SITE)
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "jobpods.controller.run", *arguments],
        cwd=folder / "work",
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(Path(failures.__file__).parents[5]),
            "ANSIBLE_NOCOLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, " ".join(ended.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--list-tasks"], "Open the shop TAGS: [morning]", id="tasks"),
        pytest.param(["--list-tags"], "TASK TAGS: [morning]", id="tags"),
        pytest.param(["--list-hosts", "-i", "a,b,", "-l", "b"], "hosts (1): b", id="hosts"),
        pytest.param(["--syntax-check"], "playbook: ", id="syntax"),
    ],
)
def test_the_playbook_is_looked_at_here(tmp_path: Path, arguments: list[str], words: str) -> None:
    rc, terminal = ansible_playbook(tmp_path, "-e", "playbook=site.yml", *arguments)
    assert rc == 0, terminal
    assert words in terminal
    assert "Run a playbook in a pod" not in terminal


def test_linters_find_no_fault_with_our_own(tmp_path: Path) -> None:
    rc, terminal = ansible_playbook(tmp_path, "--syntax-check")
    assert rc == 0, terminal


def test_wrong_syntax_is_found(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text("[{hosts: all, tasks: [{debug: {msg: 1}, loup: [1]}]}]")
    rc, terminal = ansible_playbook(tmp_path, "-e", "playbook=../wrong.yml", "--syntax-check")
    assert rc == 4, terminal
    assert "loup" in terminal


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param([], 5, "playbook is missing: give it with -e playbook=site.yml.", id="no playbook"),
        pytest.param(
            ["-e", "playbook=no.yml"],
            1,
            "playbook 'no.yml' is not a file (looked at /",
            id="no file",
        ),
        pytest.param(
            ["-e", "playbook=../site.yml"],
            5,
            "is sent to the pod whole: put it into a folder of its own, or give its project",
            id="home folder",
        ),
        pytest.param(
            ["-e", "playbook=site.yml", "--step"],
            5,
            "--step can't be passed on to a pod: nobody can answer there.",
            id="step",
        ),
        pytest.param(
            ["-e", "playbook=site.yml", "--start-at-task", "Open the shop"],
            5,
            "--start-at-task can't be passed on to a pod: give -e start_at_task=NAME instead.",
            id="start at task",
        ),
        pytest.param(
            ["-e", "playbook=site.yml", "-c", "local"],
            5,
            "--connection can't be passed on to a pod: set ansible_connection in the inventory or with -e.",
            id="connection",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_before_anything_is_run(
    tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    rc, terminal = ansible_playbook(tmp_path, *arguments)
    assert rc == status, terminal
    assert words in terminal
    assert terminal.count("ERROR") == 1
    assert "PLAY" not in terminal
    assert "Origin" not in terminal
