# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all unit tests: no line tells a time, and no task fails without anybody hearing of it."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Iterator

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job import story


class _Complaints(logging.Handler):
    """Collects what asyncio complains of, which it can only log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


@pytest.fixture(autouse=True)
def timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line says how long something took: tests compare them, and a machine may be slow."""
    monkeypatch.setattr(story, "LASTING", math.inf)


@pytest.fixture(autouse=True, scope="module")
def no_lost_errors() -> Iterator[None]:
    """Fails where an error of a task was never looked at: asyncio notices when the task is collected.

    Once for each module, since a collection takes a while.
    """
    complaints = _Complaints()
    logger = logging.getLogger("asyncio")
    logger.addHandler(complaints)
    yield
    gc.collect()
    logger.removeHandler(complaints)
    assert not complaints.words
