# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a shared store, whose machine hides their processes from each other, keep their jobs."""

from __future__ import annotations

import os
import subprocess
import sys

from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import (
    this_machine,
    this_process,
)
from ansible_collections.jobpods.controller.tests.integration.playbooks import COLLECTIONS

NOBODY = 65534
HIDDEN = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
LOOK = f"""
import os, sys
from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import is_gone
is_gone(sys.argv[1])  # has all imported that the other user may not be able to read
os.setgroups([])
os.setresgid(*[{NOBODY}] * 3)
os.setresuid(*[{NOBODY}] * 3)
for owner in sys.argv[1:]:
    print(os.path.exists(f"/proc/{{owner.split()[-2]}}"), is_gone(owner))
"""
"""What another user sees: whether the owners' processes are there, and whether these count as gone."""


def test_owner_that_another_user_can_t_see_is_not_gone() -> None:
    with subprocess.Popen((sys.executable, "-c", "")) as process:
        process.wait()
    owners = [this_process(), f"{this_machine()}{process.pid} 1"]
    look = [sys.executable, "-c", LOOK, *owners]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", HIDDEN, "sh", *look],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["False False", "False True"], done.stderr
