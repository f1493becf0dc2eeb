# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch imports: a good part of what a job takes, so nothing comes that it does not need."""

from __future__ import annotations

import subprocess
import sys

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.job_process import ENTRY

NOT_NEEDED = (
    "alembic",
    "ansible",
    "ansible_runner",
    "kubernetes",
    "psycopg",
    "sqlalchemy.dialects.postgresql",
)
"""Needed by other verbs, by a new database, or by PostgreSQL only."""
LAUNCH = """
import sys
sys.path.insert(0, sys.argv[1])
import entry
entry.install_collection(entry.Path(sys.argv[1]).parents[2])
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import process
process.verb("container_group_job")
print(*sys.modules)
"""


def test_a_launch_imports_only_what_it_needs() -> None:
    command = [sys.executable, "-c", LAUNCH, str(ENTRY.parent)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported = done.stdout.split()
    assert "sqlalchemy" in imported and "aiohttp" in imported
    assert [name for name in NOT_NEEDED if name in imported] == []
