# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of inventory plugins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """The store in the folder `store` of the test's home."""
    opened = JobStore.open(store_options({"data_dir": str(tmp_path / "store")}, {}, tmp_path))
    yield opened
    opened.close()
