# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/failures.md has every reason, in the section of its phase, and a test on the cluster causes each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import REASONS

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \| (.*)\|$")


def documented() -> dict[str, tuple[str, str]]:
    """Section and column "retryable" of each reason in the documentation."""
    section, found = "", {}
    for line in (ROOT / "docs" / "failures.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").lower()
        row = ROW.match(line)
        if row:
            assert row[1] not in found, f"{row[1]} has two rows"
            found[row[1]] = (section, row[4])
    return found


def test_every_reason_is_documented_and_no_other() -> None:
    assert list(documented()) == list(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_documentation_says_what_is_true(reason: str) -> None:
    section, retryable = documented()[reason]
    assert section == REASONS[reason].phase
    assert retryable == "by cause" or retryable.startswith("yes") == REASONS[reason].retryable


@pytest.mark.parametrize("reason", REASONS)
def test_a_test_on_the_cluster_causes_it(reason: str) -> None:
    folders = [ROOT / "tests" / "integration", ROOT / "tests" / "chaos"]
    tests = [path for folder in folders for path in folder.rglob("test_*.py")]
    assert any(f'"{reason}"' in path.read_text(encoding="utf-8") for path in tests)
