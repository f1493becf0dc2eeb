# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run: the same playbook, project and inventory for every contender."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
"""Variables of a host that is the pod itself."""
PLAY = "Benchmark"
FIRST_OUTPUT = f"PLAY [{PLAY}]"
"""By which each contender's first output is known."""
LINE = 99_990
"""Characters of one line of the workload with much output."""


@dataclass(frozen=True)
class Workload:
    """A playbook with its project.

    Attributes:
        name: of the workload.
        project: its folder, with `site.yml` and `hosts.json` in it.
        hosts: how many its inventory has.
        forks: for ansible-playbook.
        limit: seconds after which a run of it counts as failed.
        options: of ours.
    """

    name: str
    project: Path
    hosts: int = 1
    forks: int = 5
    limit: float = 120.0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def inventory(self) -> Path:
        """The inventory, of which each host is the machine that the playbook runs on."""
        return self.project / "hosts.json"


def make(folder: Path, name: str, tasks: Sequence[dict[str, Any]], hosts: int = 1, **more: Any) -> Workload:
    """Writes a workload's files into a folder."""
    project = folder / f"project-{name}"
    project.mkdir(parents=True)
    play = {"name": PLAY, "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
    (project / "site.yml").write_text(json.dumps([play]), encoding="utf-8")
    workload = Workload(name, project, hosts, **more)
    named = {f"host{number:03}": LOCAL for number in range(hosts)}
    workload.inventory.write_text(json.dumps({"all": {"hosts": named}}), encoding="utf-8")
    return workload


def one_task(folder: Path, hosts: int = 1, name: str = "one-task") -> Workload:
    """One task that says hello."""
    return make(folder, name, [{"name": "Greet", "ansible.builtin.debug": {"msg": "hello"}}], hosts)


def many_events(folder: Path, hosts: int = 20, items: int = 200) -> Workload:
    """20 hosts with 200 items each, which are 4,045 events."""
    debug = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }}/{{ item }}"}}
    loop = f"{{{{ range({items}) | list }}}}"
    return make(folder, "events", [{"name": "Count", **debug, "loop": loop}], hosts, forks=hosts)


def much_output(folder: Path, size: int = 30 << 20) -> Workload:
    """30 MB of output in lines of 100 KB."""
    debug = {"ansible.builtin.debug": {"msg": "{{ '%05d' | format(item) }}{{ 'x' * " + str(LINE) + " }}"}}
    loop = f"{{{{ range({size // LINE + 1}) | list }}}}"
    return make(folder, "output", [{"name": "Print", **debug, "loop": loop}])


def large_project(folder: Path, megabytes: int = 50) -> Workload:
    """One task in a project of files of 1 MB that can't be compressed."""
    name = f"project-of-{megabytes}-mb"
    workload = make(folder, name, [{"name": "Greet", "ansible.builtin.debug": {"msg": "hello"}}])
    numbers = random.Random(megabytes)  # noqa: S311 - the same files in each run
    for index in range(megabytes):
        (workload.project / f"file{index:04}").write_bytes(numbers.randbytes(1 << 20))
    return workload


def endless(folder: Path) -> Workload:
    """A playbook that ends by a cancel only."""
    wait = {"name": "Wait", "ansible.builtin.command": {"argv": ["sleep", "3600"]}}
    return make(folder, "endless", [{"name": "Begin", "ansible.builtin.debug": {"msg": "hello"}}, wait])


def of_length(folder: Path, seconds: int) -> Workload:
    """A playbook that says something every second."""
    tasks = {
        "name": "Wait",
        "ansible.builtin.command": {"argv": ["sleep", "1"]},
        "loop": f"{{{{ range({seconds}) | list }}}}",
    }
    return make(folder, f"{seconds}-seconds", [tasks], limit=seconds * 4.0)
