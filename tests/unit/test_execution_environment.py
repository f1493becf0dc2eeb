# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-builder finds what an execution environment needs for this collection, by its own word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import ROLES, script

ROOT = Path(__file__).parents[2]
COLLECTIONS = ROLES.absolute().parents[3]
"""The folder with `ansible_collections` in it, through which this one was imported."""
HAS_ITSELF = ("ansible-core", "PyYAML")
"""What ansible-builder leaves out, since each execution environment has it."""


@pytest.fixture(scope="module")
def needs() -> dict[str, Any]:
    """What `ansible-builder introspect` says."""
    program = Path(sys.executable).with_name("ansible-builder")
    command = [str(program), "introspect", "--sanitize", str(COLLECTIONS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


def lines(name: str) -> list[str]:
    """What a file of the collection lists."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def without_source(found: list[str]) -> list[str]:
    """The same without the comments that say where it is from."""
    return [line.partition("#")[0].strip() for line in found]


def test_python_packages_are_those_of_the_controller(needs: dict[str, Any]) -> None:
    wanted = [line for line in lines("requirements.txt") if not line.startswith(HAS_ITSELF)]
    assert without_source(needs["python"]) == wanted
    assert len(lines("requirements.txt")) == len(wanted) + len(HAS_ITSELF)


def test_programs_are_those_of_the_controller(needs: dict[str, Any]) -> None:
    assert without_source(needs["system"]) == lines("bindep.txt")


def test_job_image_has_the_programs() -> None:
    wanted = [line.split(" ")[0] for line in lines("bindep.txt") if "dpkg" in line]
    assert wanted
    assert set(wanted) <= set(script("job_image", "job_image").PACKAGES)


def test_files_are_in_the_tarball() -> None:
    left_out = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    assert {"meta", "requirements.txt", "bindep.txt"}.isdisjoint(left_out)
