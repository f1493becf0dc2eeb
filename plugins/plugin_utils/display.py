# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a job on the terminal of the `ansible-playbook` that launched it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ansible import constants
from ansible.release import __version__ as ansible_version

TELLS_FAILURES = tuple(map(int, ansible_version.split(".")[:2])) >= (2, 19)
"""Whether Ansible itself shows the message of a failure in a line of its own, before its result."""
LINE_BY_LINE = frozenset(("playbook_on_stats", "runner_on_file_diff"))
"""Events whose lines have colours of their own."""
RECAP = re.compile(r" changed=(\d+) +unreachable=(\d+) +failed=(\d+) ")


class Terminal(Protocol):
    """The part of Ansible's `Display` that is used."""

    verbosity: int

    def display(self, msg: str, color: str | None = None) -> None:
        """Shows a text of one or more lines, in one of Ansible's colours."""


def show_lines_at_once() -> None:
    """Makes this process write each line when it is complete, also where its output is no terminal.

    Ansible leaves that to Python, which holds 8 KiB back from a file or a pipe: in the log of a CI system, a
    job would be seen only when it has ended.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)


def event_color(name: str, changed: bool) -> str | None:
    """The colour that Ansible's default callback gives the output of an event."""
    if name in ("runner_on_ok", "runner_item_on_ok"):
        return str(constants.COLOR_CHANGED if changed else constants.COLOR_OK)
    colors = {
        "runner_on_failed": constants.COLOR_ERROR,
        "runner_item_on_failed": constants.COLOR_ERROR,
        "runner_on_unreachable": constants.COLOR_UNREACHABLE,
        "runner_on_skipped": constants.COLOR_SKIP,
        "runner_item_on_skipped": constants.COLOR_SKIP,
        "verbose": constants.COLOR_VERBOSE,
        "warning": constants.COLOR_WARN,
        "deprecated": constants.COLOR_DEPRECATE,
        "error": constants.COLOR_ERROR,
    }
    return colors.get(name)


def line_color(name: str, line: str) -> str | None:
    """The colour of a line within an event whose lines differ: a recap, or what a file was and is."""
    if name == "playbook_on_stats":
        counts = RECAP.search(line)
        if counts is None:
            return None
        changed, unreachable, failed = (int(count) for count in counts.groups())
        if unreachable or failed:
            return str(constants.COLOR_ERROR)
        return str(constants.COLOR_CHANGED if changed else constants.COLOR_OK)
    colors = {
        "+": constants.COLOR_DIFF_ADD,
        "-": constants.COLOR_DIFF_REMOVE,
        "@": constants.COLOR_DIFF_LINES,
    }
    return colors.get(line[:1])


class JobDisplay:
    """Shows the messages of a job process."""

    def __init__(self, terminal: Terminal, *, host: str = "", output: bool = True) -> None:
        """Gets ready.

        Args:
            terminal: Ansible's `Display`.
            host: the play's host that the job runs for, where several do at once; marks every line.
            output: show the playbook's own output, too (not with `no_log`).
        """
        self._terminal = terminal
        self._host = f"[{host}] " if host else ""
        self._jobs: dict[int, str] = {}
        self._children: set[int] = set()
        self._output = output

    def show(self, message: dict[str, Any]) -> None:
        """Shows one message."""
        kind = message["type"]
        if kind == "job":
            self._note_job(message["id"], message["name"], bool(message["child"]))
        elif kind == "step":
            if message["verbosity"] <= self._terminal.verbosity:
                self._step(message["job"], message["text"])
        elif kind == "warning":
            # Not `warning`, which ansible-core keeps back until the task has ended.
            self._step(message["job"], f"[WARNING] {message['text']}", constants.COLOR_WARN)
        elif kind == "output" and self._output:
            self._show_output(message["job"], message["events"])

    def _note_job(self, job_id: int, name: str, child: bool) -> None:
        """Shows a job of which more will be heard; one of several is called by its name, too, from now on."""
        self._jobs[job_id] = f"job {job_id} ({name})" if child else f"job {job_id}"
        if child:
            self._children.add(job_id)
        self._step(job_id, "started" if child else name)

    def closing(self, result: dict[str, Any]) -> None:
        """Shows how the job ended, in one line, where Ansible itself does not."""
        job = result.get("job")
        if not job or (TELLS_FAILURES if result["failed"] else job["id"] is None):
            return
        color = constants.COLOR_CHANGED if result["changed"] else constants.COLOR_OK
        if job["id"] is not None:
            self._jobs.setdefault(job["id"], f"job {job['id']}")
        told = f"Job {job['id']} ({job['name']}) "  # which the job's first line has told already
        self._step(
            job["id"],
            result["msg"].removeprefix(told),
            constants.COLOR_ERROR if result["failed"] else color,
        )

    def _mark(self, job_id: int | None) -> str:
        """Whose line it is."""
        job = "jobpods" if job_id is None else self._jobs.get(job_id, f"job {job_id}")
        return f"{self._host}{job}"

    def _step(self, job_id: int | None, text: str, color: str | None = None) -> None:
        mark = self._mark(job_id)
        for line in text.splitlines():
            self._terminal.display(f"{mark}: {line}", color=color or constants.COLOR_HIGHLIGHT)

    def _show_output(self, job_id: int, events: Iterable[list[Any]]) -> None:
        """One call for all neighbouring lines of one colour: each is a message to Ansible's main process."""
        lines: list[str] = []
        current: str | None = None
        # Where several run at once, each line says whose it is.
        mark = f"{self._mark(job_id)} | " if self._host or job_id in self._children else ""
        for color, text in _colored(events):
            if color != current and lines:
                self._terminal.display("\n".join(lines), color=current)
                lines = []
            current = color
            lines.extend(mark + line for line in text.split("\n"))
        if lines:
            self._terminal.display("\n".join(lines), color=current)


def _colored(events: Iterable[list[Any]]) -> Iterator[tuple[str | None, str]]:
    """The texts of events, of one or more lines, with their colours."""
    for name, changed, text in events:
        if name in LINE_BY_LINE:
            yield from ((line_color(name, line), line) for line in text.split("\n"))
        else:
            yield event_color(name, changed), text
