# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run goes on whatever the API server says meanwhile, and ends as its supervisor says."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.owning import (
    BEGIN,
    Scene,
    cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import (
    event,
    say,
)

pytestmark = pytest.mark.usefixtures("quick")

STATS = event(3, "playbook_on_stats", "RECAP", ok={"a": 1})


async def test_event_of_many_megabytes(scene: Scene, authority: Authority) -> None:
    size = 20 << 20
    head = '{"uuid": "u2", "counter": 2, "event": "runner_on_ok", "event_data": {}, "stdout": "'
    big = f"print({head!r} + 'x' * {size} + '\"}}', flush=True)\n"
    async with cluster(
        scene, authority, BEGIN + big + STATS + say(status="successful") + say(eof=True)
    ) as at:
        record = await scene.own(at.connection)
        assert (record.status, record.event_count) == ("successful", 3), record.failure
        assert len(scene.store.stdout(scene.job_id)[0]) > size
