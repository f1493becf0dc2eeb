# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks as a user would, with the collection and the test's own store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).absolute().parents[5]
"""The folder with `ansible_collections` in it, through which the tests were imported."""
BIN = Path(sys.executable).parent
DEADLINE = 240.0
"""Seconds that one run of ansible-playbook may take; only a net against a hang."""

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Played:
    """What a run of ansible-playbook gave.

    Attributes:
        rc: its exit status.
        terminal: all that it printed.
        results: what the tasks registered, by the name of the play's host, then in the tasks' order.
    """

    rc: int
    terminal: str
    results: dict[str, list[dict[str, Any]]]

    @property
    def result(self) -> dict[str, Any]:
        """The one registered result of the one host."""
        ((only,),) = self.results.values()
        return only


class Controller:
    """A user's machine: a folder with playbooks, a store, and no Kubernetes connection of its own."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.store = folder / "store"
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {
            name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")
        }
        self.environ = {
            **kept,
            "HOME": str(home),
            "JOBPODS_DATA_DIR": str(self.store),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "ANSIBLE_DEPRECATION_WARNINGS": "False",
            "ANSIBLE_NOCOLOR": "1",
            **(environ or {}),
        }

    def write(self, name: str, content: object) -> Path:
        """Writes a file below the folder: text as it is, anything else as JSON (which is YAML)."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8"
        )
        return path

    def command(
        self, tasks: Sequence[Options], *arguments: str, hosts: str = "localhost", play: Options | None = None
    ) -> list[str]:
        """A command line for a playbook with these tasks, each of which registers its result."""
        results = self.folder / "results"
        results.mkdir(exist_ok=True)
        for old in results.iterdir():
            old.unlink()
        registered: list[Options] = []
        for index, task in enumerate(tasks):
            registered.append({"register": f"result_{index}", **task})
        names = ", ".join(f"result_{index}" for index in range(len(tasks)))
        keep = {
            "ansible.builtin.copy": {
                "content": "{{ [" + names + "] | to_json }}",
                "dest": f"{results}/{{{{ inventory_hostname }}}}.json",
                "mode": "0600",
            },
            "delegate_to": "localhost",
            "become": False,
            "check_mode": False,
            "environment": {},
        }
        block = {"block": registered, "always": [keep]}
        head = {"hosts": hosts, "gather_facts": False, **(play or {})}
        self.write("play.yml", [{**head, "tasks": [block]}])
        return [str(BIN / "ansible-playbook"), "play.yml", *arguments]

    def play(
        self,
        tasks: Sequence[Options],
        *arguments: str,
        hosts: str = "localhost",
        play: Options | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Played:
        """Runs a playbook with these tasks."""
        command = self.command(tasks, *arguments, hosts=hosts, play=play)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            check=False,
        )
        terminal = done.stdout.decode()
        results = {
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in (self.folder / "results").glob("*.json")
        }
        assert results, terminal
        return Played(done.returncode, terminal, results)

    def verb(
        self, name: str, *arguments: str, environ: Mapping[str, str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Calls one module of the collection; returns its result, also when it failed."""
        return self.play([{f"jobpods.controller.{name}": options}], *arguments, environ=environ).result

    def project(self, name: str = "project", **playbooks: Sequence[Options] | str) -> Path:
        """Makes a project folder with playbooks; a list is a play's tasks on all hosts."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for key, content in playbooks.items():
            play = (
                content
                if isinstance(content, str)
                else [{"hosts": "all", "gather_facts": False, "tasks": list(content)}]
            )
            self.write(f"{name}/{key}.yml", play)
        return folder
