# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs with many events, with much output, and many at once."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]
HOSTS, ITEMS = 20, 200
BIG = 30 << 20
JOBS = 10


def test_20_hosts_with_200_items_each(controller: Controller, job: Options) -> None:
    debug = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }}/{{ item }}"}}
    controller.project(site=[{"name": "Count", **debug, "loop": f"{{{{ range({ITEMS}) | list }}}}"}])
    hosts = {f"host{number:02}": LOCAL for number in range(HOSTS)}
    played = controller.play(
        [
            {
                "jobpods.controller.container_group_job": {
                    **job,
                    "inventory": {"all": {"hosts": hosts}},
                    "forks": HOSTS,
                }
            }
        ]
    )
    facts = played.result["job"]
    assert facts["status"] == "successful", played.result["msg"]
    assert facts["host_status_counts"]["ok"] == HOSTS
    events = controller.events(facts["id"])
    assert [event["counter"] for event in events] == list(range(1, facts["event_count"] + 1))
    stored = [line for event in events for line in event["stdout"].splitlines()]
    shown = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in stored if "=> (item=" in line]
    assert len(shown) == HOSTS * ITEMS
    assert [line for line in played.terminal.splitlines() if "=> (item=" in line] == shown
    for host in hosts:
        ours = [line for line in shown if f"[{host}]" in line]
        assert [int(line.partition("(item=")[2].partition(")")[0]) for line in ours] == list(range(ITEMS))


def test_30_mb_of_output(controller: Controller, job: Options) -> None:
    """In lines of 100 KB, each of which can be told from the others."""
    line = "{{ '%05d' | format(item) }}{{ 'x' * 99990 }}"
    count = BIG // 99_990 + 1
    debug = {"ansible.builtin.debug": {"msg": line}, "loop": f"{{{{ range({count}) | list }}}}"}
    controller.project(site=[{"name": "Print", **debug}])
    played = controller.play([{"jobpods.controller.container_group_job": job}])
    result = played.result
    assert result["job"]["status"] == "successful", result["msg"]
    assert result["stdout_truncated"]
    assert len(result["stdout"].encode()) <= 1 << 20
    stored = "\n".join(event["stdout"] for event in controller.events(result["job"]["id"]))
    assert len(stored) > BIG
    for text in (stored, played.terminal):
        assert re.findall(r'"msg": "(\d{5})x{99990}"', text) == [f"{number:05}" for number in range(count)]


def test_10_jobs_at_once(controller: Controller, job: Options) -> None:
    names = [f"site{number}" for number in range(JOBS)]
    controller.write("outer", "\n".join(f"{name} ansible_connection=local" for name in names))
    controller.project(site=[{"name": "Greet", "ansible.builtin.debug": {"msg": "from {{ who }}"}}])
    task = {
        "jobpods.controller.container_group_job": {**job, "extra_vars": {"who": "{{ inventory_hostname }}"}}
    }
    played = controller.play([task], "-i", "outer", "-f", str(JOBS), hosts="all")
    assert played.rc == 0, played.terminal
    assert sorted(played.results) == names
    assert len({results[0]["job"]["id"] for results in played.results.values()}) == JOBS
    for name, (result,) in played.results.items():
        assert result["job"]["status"] == "successful"
        assert f'"from {name}"' in result["stdout"]
        marked = f"[{name}] job {result['job']['id']} | "
        lines = [
            line.removeprefix(marked) for line in played.terminal.splitlines() if line.startswith(marked)
        ]
        assert [line for line in lines if '"msg"' in line] == [f'    "msg": "from {name}"']
