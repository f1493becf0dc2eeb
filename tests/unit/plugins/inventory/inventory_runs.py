# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-inventory, and playbooks, with configurations of our inventory plugins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import (
    environment,
    unmarked,
    write,
)

DEADLINE = 120
STRICT = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"}


@dataclass(frozen=True)
class Run:
    """What a program of Ansible said."""

    status: int
    stdout: str
    stderr: str

    @property
    def listing(self) -> dict[str, Any]:
        assert self.status == 0, self.stderr
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    @property
    def hosts(self) -> dict[str, Any]:
        """The own variables of each host that has some."""
        found: dict[str, Any] = unmarked(self.listing["_meta"]["hostvars"])
        return found

    @property
    def words(self) -> str:
        """All that was said of an error, in one line."""
        assert self.status != 0, self.stdout
        return " ".join(self.stderr.split())


def run(program: str, home: Path, *arguments: str, given: str = "", **variables: str) -> Run:
    """Runs a program of Ansible; `given` is its standard input."""
    ended = subprocess.run(
        [sys.executable, "-m", f"ansible.cli.{program}", *arguments],
        env={**environment(home), **STRICT, **variables},
        cwd=home,
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return Run(ended.returncode, ended.stdout, ended.stderr)


def listed(home: Path, name: str, configuration: Any, *arguments: str, **variables: str) -> Run:
    """What ansible-inventory lists by a configuration, which is written to a file of this name."""
    path = write(home / name, configuration)
    return run("inventory", home, "--list", "--export", "-i", str(path), *arguments, **variables)


def members(listing: dict[str, Any]) -> dict[str, Sequence[str]]:
    """The hosts of each group that has some."""
    return {name: group["hosts"] for name, group in listing.items() if group.get("hosts")}
