# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launcher asks the job process for."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class MainProcess:
    """The process whose end means that nobody waits any more.

    Attributes:
        pid: its process id.
        start_time: its start in clock ticks since boot, which tells it from a later process of that id; None
            where the system has no /proc.
    """

    pid: int
    start_time: int | None

    @classmethod
    def of(cls, pid: int) -> MainProcess:
        """The process that has the id `pid` now."""
        return cls(pid, start_time(pid))


@dataclass(frozen=True)
class Request:
    """One call of a verb.

    Attributes:
        verb: the module's name.
        params: the module's parameters, validated against its argument spec. They may hold secrets.
        folder: relative paths start here (the playbook's folder).
        started_in: relative paths in environment variables start here (the caller's working directory); empty
            where that is the folder.
        check: check mode is on.
        diff: diff mode is on.
        verbosity: the caller's.
        environment: the task's `environment`, laid over the process' own.
        limit: seconds that the task's `async` allows; 0 is no limit.
        main_process: `ansible-playbook`, where it can be known.
    """

    verb: str
    params: dict[str, Any]
    folder: str
    started_in: str = ""
    check: bool = False
    diff: bool = False
    verbosity: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    limit: int = 0
    main_process: MainProcess | None = None

    def as_message(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Request:
        """What `as_message` made."""
        main = message["main_process"]
        return cls(**{**message, "main_process": MainProcess(**main) if main else None})

    @property
    def environ(self) -> dict[str, str]:
        """The environment that the request is to be read in."""
        return {**os.environ, **self.environment}

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return Path(self.environ.get("HOME") or "~").expanduser()

    @property
    def controller_node(self) -> str:
        """This host's name."""
        return socket.gethostname()


def start_time(pid: int) -> int | None:
    """A process' start in clock ticks since boot (proc(5), stat, field 22); None if it can't be read."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return int(fields[19])
