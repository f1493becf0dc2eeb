# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks as a user would, with the collection and the test's own store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options

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


class Running:
    """A run of ansible-playbook that goes on while the test does something.

    Attributes:
        process: the main process of ansible-playbook.
    """

    def __init__(self, process: subprocess.Popen[bytes], terminal: Path, results: Path) -> None:
        self.process = process
        self._terminal = terminal
        self._results = results

    @property
    def terminal(self) -> str:
        """What it has printed so far."""
        return self._terminal.read_text(encoding="utf-8", errors="replace")

    def await_text(self, text: str) -> None:
        """Waits until it has printed a text, on one line or wrapped over several."""

        def printed() -> bool:
            return text in " ".join(self.terminal.split())

        deadline = time.monotonic() + DEADLINE
        while not printed() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert printed(), f"{text!r} is not in:\n{self.terminal}"

    def results(self) -> list[dict[str, Any]]:
        """Waits for its end; returns what the tasks of the one host registered, in their order."""
        (results,) = self.results_by_host().values()
        return results

    def results_by_host(self) -> dict[str, list[dict[str, Any]]]:
        """The same where the play has several hosts."""
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs, and printed:\n{self.terminal[-4000:]}") from None
        return registered(self._results)

    def result(self) -> dict[str, Any]:
        """Waits for its end; returns what the one task of the one host registered."""
        (only,) = self.results()
        return only


def until(done: Callable[[], bool], what: str, limit: float = DEADLINE) -> None:
    """Waits for a condition; the limit is only a net against a hang."""
    deadline = time.monotonic() + limit
    while not done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def _hear_signals() -> None:
    """Whoever runs the tests may ignore SIGHUP, as nohup does; what they start would inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def registered(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the tasks of a play registered, by host."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


def side_by_side(jobs: Mapping[str, Options]) -> tuple[list[Options], Options, list[str]]:
    """A task with another job for each host, the play's variables, and the command line's hosts."""
    names = sorted({name for job in jobs.values() for name in job})
    options = {name: f"{{{{ jobs[inventory_hostname].get('{name}', omit) }}}}" for name in names}
    task = {"jobpods.controller.container_group_job": options, "ignore_errors": True}
    return [task], {"vars": {"jobs": jobs}}, ["-i", f"{','.join(jobs)},", "-f", str(len(jobs))]


class Controller:
    """A user's machine: a folder with playbooks, a store, and no Kubernetes connection of its own."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None, programs: Path = BIN) -> None:
        """Has its folder, variables beside those of every machine, and Ansible's programs in one folder."""
        self.folder = folder
        self._given = dict(environ or {})
        self._programs = programs
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
            "ANSIBLE_ASYNC_DIR": str(home / "async"),
            **self._given,
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
        return [str(self._programs / "ansible-playbook"), "play.yml", *arguments]

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
        results = registered(self.folder / "results")
        assert results, terminal
        return Played(done.returncode, terminal, results)

    def side_by_side(self, jobs: Mapping[str, Options], *arguments: str) -> Played:
        """Runs several jobs at once, each for the host of its name; none of them ends the playbook."""
        tasks, play, hosts = side_by_side(jobs)
        return self.play(tasks, *hosts, *arguments, hosts="all", play=play)

    def ansible_playbook(self, *arguments: str) -> tuple[int, str]:
        """Runs a playbook that is there already; returns its exit status and all that it printed."""
        return self.run("ansible-playbook", *arguments)

    def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Runs a program of Ansible; returns its exit status and all that it printed."""
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    def verb(
        self, module: str, /, *arguments: str, environ: Mapping[str, str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Calls one module of the collection; returns its result, also when it failed."""
        return self.play([{f"jobpods.controller.{module}": options}], *arguments, environ=environ).result

    @contextmanager
    def started(
        self,
        job: Options,
        *arguments: str,
        task: Options | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """Starts a playbook with a job in a session of its own; ends it with the block at the latest."""
        tasks = [{"jobpods.controller.container_group_job": job, **(task or {})}]
        with self.playing(tasks, *arguments, environ=environ) as running:
            yield running

    @contextmanager
    def playing(
        self,
        tasks: Sequence[Options],
        *arguments: str,
        hosts: str = "localhost",
        play: Options | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """The same with any tasks."""
        command = self.command(tasks, *arguments, hosts=hosts, play=play)
        terminal = self.folder / "terminal"
        with terminal.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_hear_signals,
            )
        try:
            yield Running(process, terminal, self.folder / "results")
        finally:
            process.terminate()
            process.wait(DEADLINE)

    @contextmanager
    def opened(self) -> Iterator[JobStore]:
        """The store, opened by the test itself."""
        store = JobStore.open(store_options({}, self.environ, self.folder / "home"))
        try:
            yield store
        finally:
            store.close()

    def events(self, job_id: int) -> list[dict[str, Any]]:
        """The events of a job, in the order in which the store has them."""
        with self.opened() as store:
            return [json.loads(line) for line in store.event_lines(job_id, 0)]

    def elsewhere(self, name: str = "elsewhere") -> Controller:
        """The same user with the same store, in another terminal."""
        return Controller(
            self.folder / name, {**self._given, "JOBPODS_DATA_DIR": str(self.store)}, self._programs
        )

    def vault(self, *arguments: str) -> None:
        """Runs ansible-vault."""
        command = [str(self._programs / "ansible-vault"), *arguments]
        subprocess.run(command, cwd=self.folder, env=self.environ, check=True, capture_output=True)

    def processes(self) -> list[int]:
        """The processes that use this machine's store; the job processes, where no playbook runs."""
        own = f"JOBPODS_DATA_DIR={self.store}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environ = (process / "environ").read_bytes()
            except OSError:  # it has ended
                continue
            if own in environ.split(b"\0"):
                found.append(int(process.name))
        return found

    def process_lines(self) -> list[str]:
        """The command lines and environments of these processes."""
        lines = []
        for pid in self.processes():
            with suppress(OSError):
                for name in ("cmdline", "environ"):
                    lines.append(Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace"))
        return lines

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
