# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of who owns a job, as another process of the machine can check it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import (
    is_gone,
    start_time,
    this_machine,
    this_process,
)


def test_this_process_is_there() -> None:
    assert this_process().startswith(this_machine())
    assert not is_gone(this_process())


def test_another_process_is_there_until_it_ends() -> None:
    with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as process:
        owner = f"{this_machine()}{process.pid} {start_time(process.pid)}"
        assert not is_gone(owner)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(owner), "nobody has asked for its status, but it has ended"
    assert is_gone(owner)


def test_a_later_process_of_the_same_id_is_another_one() -> None:
    assert is_gone(f"{this_machine()}{os.getpid()} 1")


@pytest.mark.parametrize("owner", ["", "me", "there 1-2 pid:[3] 4 5", f"{this_machine()}x y", this_machine()])
def test_of_others_nothing_is_known(owner: str) -> None:
    assert not is_gone(owner)
