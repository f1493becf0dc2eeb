# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that print numbered lines while something breaks, and the proof that their output does not tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller, Running, until

Options = dict[str, Any]
MANY = 500
"""Lines from which on the output of a run without faults is put together from that of one line."""
RUNS_ON = "the connection to the pod is gone"
AGAIN = "connected again"


@dataclass(frozen=True)
class Numbers:
    """What a job prints.

    Attributes:
        lines: how many numbered lines.
        width: characters of each, beside its number.
        end: a file that the playbook makes at its end, in the pod.
    """

    lines: int
    width: int = 0
    end: str = ""

    @property
    def playbook(self) -> list[Options]:
        """The tasks; `pace` is how many seconds lie between two lines."""
        line = "{{ '%06d' | format(item) }}{{ 'x' * " + str(self.width) + " }}"
        print_all = {
            "ansible.builtin.debug": {"msg": line},
            "loop": f"{{{{ range({self.lines}) | list }}}}",
            "loop_control": {"pause": "{{ pace }}"},
        }
        tasks: list[Options] = [{"name": "Print", **print_all}]
        if self.end:
            copy = {"dest": self.end, "content": "the end", "mode": "0600"}
            tasks.append({"name": "End", "ansible.builtin.copy": copy})
        return tasks


@dataclass(frozen=True)
class Printed:
    """What a job's playbook has printed.

    Attributes:
        pieces: by event.
        stdout: as the module's result has it.
    """

    pieces: list[str]
    stdout: str

    def with_lines(self, count: int) -> Printed:
        """The same with so many lines, where it has one."""
        pieces: list[str] = []
        for piece in self.pieces:
            numbered = "(item=0)" in piece
            lines = range(count if numbered else 1)
            pieces += [piece.replace("(item=0)", f"(item={n})").replace('"000000', f'"{n:06}') for n in lines]
        return Printed(pieces, "")


class NumberedJob:
    """One job that runs, with a machine, a store and a terminal of its own.

    Attributes:
        printed_last_at: when the playbook printed its last word, known at the job's end.
    """

    def __init__(self, controller: Controller, running: Running, numbers: Numbers) -> None:
        self._controller = controller
        self._running = running
        self._numbers = numbers
        self.printed_last_at = datetime.min

    @property
    def terminal(self) -> str:
        """What was shown so far."""
        return self._running.terminal

    @property
    def pod(self) -> str:
        """The pod's name, once it is created."""
        self.await_text("created in namespace")
        words = self.terminal.split()
        return words[words.index("created") - 1]

    def await_text(self, text: str) -> None:
        """Waits until it was shown."""
        self._running.await_text(text)

    def await_line(self, number: int) -> None:
        """Waits until the numbered line was shown."""
        self.await_text(f"(item={number})")

    @property
    def breaks(self) -> int:
        """How often its user was told that the connection is there again."""
        return self.terminal.count(AGAIN)

    def finish(self) -> tuple[Options, Printed]:
        """Waits for its end: successful, and no event is missing, doubled, or out of order.

        Its pod may be deleted only after that, by the same connection: that is waited for, too.

        Returns:
            The job's facts and what it printed.
        """
        result = self._running.result()
        until(lambda: not self._controller.processes(), "the job process to end")
        facts: Options = result["job"]
        assert facts["status"] == "successful", f"{json.dumps(result, indent=1)}\n{self.terminal[-4000:]}"
        events = self._controller.events(facts["id"])
        assert [event["counter"] for event in events] == list(range(1, facts["event_count"] + 1))
        assert len({event["uuid"] for event in events}) == len(events)
        last = datetime.fromisoformat(events[-1]["created"])
        self.printed_last_at = last if last.tzinfo else last.replace(tzinfo=timezone.utc)
        shown = [line for line in self.terminal.splitlines() if "=> (item=" in line]
        assert shown == [f"ok: [here] => (item={number}) => {{" for number in range(self._numbers.lines)]
        return facts, Printed([event["stdout"] for event in events], result["stdout"])


class NumberedJobs:
    """Starts such jobs, and knows what they print where nothing breaks."""

    def __init__(self, folder: Path, group: Options, known: dict[Numbers, Printed], stack: ExitStack) -> None:
        """Gets ready.

        Args:
            folder: for the jobs' machines.
            group: the container group, with a connection on which nothing breaks.
            known: what was printed without faults, kept from test to test.
            stack: ends the jobs that still run with it.
        """
        self._folder = folder
        self._group = group
        self._known = known
        self._stack = stack
        self._count = 0
        self._running: dict[Numbers, NumberedJob] = {}

    @property
    def kubeconfig(self) -> Options:
        """The one of the connection on which nothing breaks."""
        content: Options = yaml.safe_load(Path(self._group["kubeconfig"]).read_text(encoding="utf-8"))
        return content

    def connection(
        self,
        name: str,
        server: str | int = "",
        user: Options | None = None,
        **cluster: str,
    ) -> Options:
        """The container group by another connection.

        Args:
            name: of its kubeconfig.
            server: the API server's URL, or a port of this machine; the true one if empty.
            user: in place of the admin.
            cluster: changes of the kubeconfig's cluster; hyphens are underscores here.
        """
        config = self.kubeconfig
        entry = config["clusters"][0]["cluster"]
        if server:
            entry["server"] = f"https://127.0.0.1:{server}" if isinstance(server, int) else server
        entry.update({key.replace("_", "-"): value for key, value in cluster.items()})
        if user is not None:
            config["users"][0]["user"] = user
        path = self._folder / f"{name}.kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        return {**self._group, "kubeconfig": str(path)}

    def start(
        self,
        numbers: Numbers,
        group: Options | None = None,
        *,
        pace: float = 0.0,
        environ: Mapping[str, str] | None = None,
        prepare: Callable[[Path], None] | None = None,
        **options: Any,
    ) -> NumberedJob:
        """Starts a job, and beside it one of the same playbook on which nothing is to break.

        Args:
            numbers: what it prints.
            group: its container group.
            pace: seconds between two lines.
            environ: more environment of its controller.
            prepare: changes its project before it is sent.
            options: of the module.
        """
        plain = self._plain(numbers)
        if plain not in self._known and plain not in self._running:
            self._running[plain] = self._start(plain, self._group, 0.0, {}, None, {})
        return self._start(numbers, group or self._group, pace, environ or {}, prepare, options)

    def _start(
        self,
        numbers: Numbers,
        group: Options,
        pace: float,
        environ: Mapping[str, str],
        prepare: Callable[[Path], None] | None,
        options: Options,
    ) -> NumberedJob:
        self._count += 1
        controller = Controller(self._folder / f"machine{self._count}")
        project = controller.project(site=numbers.playbook)
        if prepare is not None:
            prepare(project)
        job = {
            "container_group": group,
            "project": str(project),
            "playbook": "site.yml",
            "inventory": {"all": {"hosts": {"here": LOCAL}}},
            "extra_vars": {"pace": pace},
            **options,
        }
        running = self._stack.enter_context(controller.started(job, environ=environ))
        return NumberedJob(controller, running, numbers)

    def check(self, job: NumberedJob, numbers: Numbers) -> Options:
        """Waits for a job's end and compares it, byte by byte, with one of the same playbook without faults.

        Returns:
            The job's facts.
        """
        facts, printed = job.finish()
        self.await_plain_ones()
        expected = self._known[self._plain(numbers)]
        if numbers.lines < MANY:
            assert printed.stdout == expected.stdout
        else:
            expected = expected.with_lines(numbers.lines)
        assert len(printed.pieces) == len(expected.pieces)
        for piece, known in zip(printed.pieces, expected.pieces, strict=True):
            assert piece == known
        return facts

    def await_plain_ones(self) -> None:
        """Waits until those jobs have ended on which nothing is to break: now anything may."""
        while self._running:
            numbers, job = self._running.popitem()
            _facts, self._known[numbers] = job.finish()

    @staticmethod
    def _plain(numbers: Numbers) -> Numbers:
        """What tells how the output of a job should be."""
        return numbers if numbers.lines < MANY else replace(numbers, lines=1)
