# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job with many events is taken over piece by piece, so that its heart beats in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import preparation
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.adoption import Adoption
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.adopting import (
    hurry,
    left_behind,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import DEADLINE
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import ended

EVENTS = 200
PRINT = f"for counter in range(2, {EVENTS} + 1): event(counter, 'verbose', str(counter))\n"


async def test_store_can_be_called_while_its_events_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(preparation, "KNOWN_AT_ONCE", 1)
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    event_lines, read = JobStore.event_lines, [0]

    def noting(store: JobStore, job_id: int, after: int = 0) -> Iterator[bytes]:
        for line in event_lines(store, job_id, after):
            read[0] += 1
            loop.call_soon_threadsafe(begun.set)
            yield line

    async with left_behind(tmp_path, Authority(), PRINT, recap=EVENTS + 1) as scene:
        left = await scene.left(lambda: len(scene.counters()) == EVENTS)
        monkeypatch.setattr(JobStore, "event_lines", noting)
        async with deadline(DEADLINE), scene.stock.jobs() as jobs:
            job = await Adoption(jobs).take(left)
            await begun.wait()
            await jobs.opened.calls(jobs.opened.store.heartbeat, job.id, job.lease)
            assert read[0] < EVENTS / 2
            scene.open_gate()
            await ended(job)
        assert scene.record().status == "successful", scene.record().job_explanation
        assert scene.counters() == list(range(1, EVENTS + 2))
