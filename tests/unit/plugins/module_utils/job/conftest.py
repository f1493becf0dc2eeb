# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of several tests of `job`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.job import attempts, conversation, owner, run
from ansible_collections.jobpods.controller.plugins.module_utils.job.recorder import StoreCalls
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import Scene

NOBODY = 65534


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder in which file modes count, for root, too."""
    with tempfile.TemporaryDirectory() as name:
        user = os.geteuid()
        if not user:
            os.chown(name, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(user)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore.open(store_options({"data_dir": str(tmp_path / "store")}, {}, tmp_path))
    yield opened
    opened.close()


@pytest.fixture
async def scene(tmp_path: Path, store: JobStore) -> AsyncIterator[Scene]:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "site.yml").write_text("[]")
    calls = StoreCalls()
    yield Scene(tmp_path, store, calls)
    calls.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the waits of a job short that a test would wait for."""
    monkeypatch.setattr(conversation, "BACKOFF", (0.01,))
    monkeypatch.setattr(run, "EARLY_ATTACHES", (0.0,))
    monkeypatch.setattr(attempts, "PAUSES", (0.01,))
    monkeypatch.setattr(owner, "HEARTBEAT_INTERVAL", 0.05)
    monkeypatch.setattr(owner, "QUICK_REMOVAL", 0.5)
