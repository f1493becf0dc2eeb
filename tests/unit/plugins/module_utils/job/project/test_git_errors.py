# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What git and ssh say, and what becomes of it."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.git_errors import (
    git_failure,
    missing_branch,
)

ADDRESS = "https://git.test/x.git"
RIGHTS = "\nPlease make sure you have the correct access rights\nand the repository exists.\n"
NO_READ = "fatal: Could not read from remote repository.\n" + RIGHTS


@pytest.mark.parametrize(
    ("said", "case", "line"),
    [
        pytest.param(
            f"root@h: Permission denied (publickey).\r\n{NO_READ}",
            "authentication",
            "root@h: Permission denied (publickey)",
            id="ssh-key",
        ),
        pytest.param(
            "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://git.test/x.git/'\n",
            "authentication",
            "remote: HTTP Basic: Access denied",
            id="gitlab",
        ),
        pytest.param(
            "remote: Permission to x denied to y.\n"
            "fatal: unable to access 'https://git.test/x.git/': The requested URL returned error: 403\n",
            "authentication",
            "fatal: unable to access 'https://git.test/x.git/': The requested URL returned error: 403",
            id="github-403",
        ),
        pytest.param(
            "remote: Repository not found.\nfatal: repository 'https://git.test/x.git/' not found\n",
            "not_a_repository",
            "remote: Repository not found",
            id="github-404",
        ),
        pytest.param(
            "ERROR: Repository not found.\n" + NO_READ,
            "not_a_repository",
            "ERROR: Repository not found",
            id="github-ssh",
        ),
        pytest.param(
            "@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"
            "Host key verification failed.\r\n" + NO_READ,
            "host_key",
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
            id="host-key",
        ),
        pytest.param(
            "fatal: unable to access 'https://git.test/x.git/': server certificate verification failed."
            " CAfile: none CRLfile: none\n",
            "tls",
            "fatal: unable to access",
            id="unknown-ca",
        ),
        pytest.param(
            "fatal: unable to access 'https://git.test/x.git/': Operation too slow. Less than 1 bytes/sec\n",
            "not_connected",
            "Operation too slow",
            id="silence",
        ),
        pytest.param(
            "fatal: detected dubious ownership in repository at '/srv/x'\nTo add an exception...\n",
            "ownership",
            "fatal: detected dubious ownership in repository at '/srv/x'",
            id="ownership",
        ),
        pytest.param(
            "fatal: write error: No space left on device\n", "no_room", "No space left on device", id="disk"
        ),
        pytest.param("warning: x\nfatal: something new\n", "other", "fatal: something new", id="other"),
        pytest.param("something else\n", "other", "something else", id="without-a-mark"),
    ],
)
def test_the_cause_is_told_with_git_s_own_line(said: str, case: str, line: str) -> None:
    failure = git_failure("git fetch", said, address=ADDRESS, known_hosts="/data/known_hosts")
    assert failure.details == {"case": case}
    assert failure.message.startswith("git fetch failed: ")
    assert line in failure.message
    assert (failure.hint != "", failure.traceback) == (True, said)


def test_silence_is_told() -> None:
    failure = git_failure("git fetch", "", address=ADDRESS, known_hosts="")
    assert failure.message == "git fetch failed: git could not do it."


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["main", "release-1.2"], "Did you mean release-1.2?"),
        (["main", "dev"], "It has main, dev."),
        ([f"b{number}" for number in range(12)], "It has b0, b1, b2, b3, b4, b5, b6, b7, b8, b9 and 2 more."),
        ([], "It has no branch and no tag."),
    ],
)
def test_other_branches_are_named(names: list[str], hint: str) -> None:
    failure = missing_branch("release-12", names, ADDRESS)
    assert failure.hint == hint
