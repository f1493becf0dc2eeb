# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the tests of this folder run at both ends of what is supported (tests/ends.py)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller


@pytest.fixture(params=["oldest", "newest"])
def end(request: pytest.FixtureRequest, local: Path) -> Path:
    """The virtual environment of one end."""
    folder = local / "cache" / "ends" / str(request.param)
    if not (folder / "stamp").exists():
        pytest.fail(f"there is no {folder}; run the tests with: make test")
    return folder


@pytest.fixture
def controller(end: Path, tmp_path: Path) -> Controller:
    """A user's machine with the packages of that end, and nothing of the tests' own."""
    programs = end / "bin"
    return Controller(tmp_path, {"PATH": f"{programs}:{os.environ['PATH']}"}, programs)
