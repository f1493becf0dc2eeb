# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sanity tests don't look at is told with a reason, and is the same for each ansible-core."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests/sanity").glob("ignore-*.txt"))
LINE = re.compile(r"(?P<path>\S+) (?P<test>[a-z-]+?)(-3\.\d+)?(:\S+|!skip)? # (?P<reason>\S.+)")


def ignored(file: Path) -> list[tuple[str, str]]:
    """The paths and tests of an ignore file; a test's Python version is left out."""
    matches = [LINE.fullmatch(line) for line in file.read_text().splitlines()]
    assert None not in matches
    return [(match["path"], match["test"]) for match in matches if match]


def test_each_supported_ansible_core_has_its_file() -> None:
    assert [file.stem for file in FILES] == [f"ignore-2.{minor}" for minor in range(16, 21)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_line_has_a_reason_and_a_file(file: Path) -> None:
    assert [path for path, _test in ignored(file) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("file", FILES[1:], ids=lambda file: file.stem)
def test_the_files_say_the_same(file: Path) -> None:
    assert ignored(file) == ignored(FILES[0])
