# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server dies in the middle of a job and comes back: nothing changes but the time."""

from __future__ import annotations

import json
import time
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import LocalCluster
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]
OUTAGE = 20.0
LINES = 120


def test_the_api_server_is_killed_for_20_seconds(
    controller: Controller, job: Options, local_cluster: LocalCluster
) -> None:
    item = {"ansible.builtin.command": "sleep 0.05", "loop": f"{{{{ range({LINES}) | list }}}}"}
    controller.project(
        site=[{"name": "Count", **item}, {"name": "End", "ansible.builtin.debug": {"msg": "the end"}}]
    )
    with controller.started(job) as running:
        running.await_text("changed: [here] => (item=20)")
        with local_cluster.without_api_server():
            time.sleep(OUTAGE)
        result = running.result()
        terminal = running.terminal
    assert result["job"]["status"] == "successful", result["msg"]
    lines = [f"changed: [here] => (item={number})" for number in range(LINES)]
    for text in (terminal, result["stdout"]):
        assert [line for line in text.splitlines() if line.startswith("changed: [here] => (item=")] == lines
        assert "the end" in text
    assert "connected again" in terminal
    events = controller.events(result["job"]["id"])
    assert [event["counter"] for event in events] == list(range(1, result["job"]["event_count"] + 1))
    assert len({event["uuid"] for event in events}) == len(events)
    assert json.dumps(events).count('"runner_item_on_ok"') == LINES
