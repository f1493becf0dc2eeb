# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launcher asks the job process for."""

from __future__ import annotations

import json
import os
import pwd
import re
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.owners import start_time
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.store_arguments import STORE

PATHS = ("JOBPODS_DATA_DIR", "JOBPODS_SECRET_KEY_FILE", "K8S_AUTH_SSL_CA_CERT")
PATH_LISTS = ("KUBECONFIG", "K8S_AUTH_KUBECONFIG")
URLS = ("JOBPODS_DATABASE_URL",)
"""Environment variables that are paths, lists of them, or the URL of a file, where they are relative."""
_RELATIVE_URL = re.compile(r"(sqlite(?:\+pysqlite)?:///)(?![/~:])(.+)")


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

    def asking(self, verb: str, **params: Any) -> Request:
        """A request for another verb on the same store, by the same caller."""
        place = {name: self.params.get(name) for name in STORE}
        return replace(self, verb=verb, params={**place, **params})

    @property
    def environ(self) -> dict[str, str]:
        """The environment that the request is to be read in; relative paths in it are made absolute."""
        environ = {**os.environ, **self.environment}
        base = Path(self.started_in or self.folder)
        for names, absolute in ((PATHS, _absolute), (PATH_LISTS, _absolute_list), (URLS, _absolute_url)):
            environ.update({name: absolute(environ[name], base) for name in names if environ.get(name)})
        return environ

    @property
    def home(self) -> Path:
        """The user's home folder; that of containers where there is none."""
        home = self.environ.get("HOME") or os.path.expanduser("~")
        return Path("/" if home == "~" else home)

    @property
    def controller_node(self) -> str:
        """This host's name."""
        return socket.gethostname()

    @property
    def launched_by(self) -> str:
        """Who asks, and on which host."""
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a user without an entry, as in many containers
            user = str(os.getuid())
        return f"{user}@{self.controller_node}"


def request_line(request: Request) -> bytes:
    """A request as a process reads it from its standard input."""
    return json.dumps(request.as_message(), default=_plain).encode("ascii") + b"\n"


def _plain(value: object) -> object:
    """What YAML and Ansible know and JSON does not: dates, sets and vaulted text, which is decrypted."""
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else str(value)


def _absolute(text: str, base: Path) -> str:
    """A path that starts in `base`; the text itself where it is none, but for example a certificate's."""
    if text.startswith(("~", "-----BEGIN", "{")) or len(text.splitlines()) > 1:
        return text
    return str(base / text)


def _absolute_list(text: str, base: Path) -> str:
    """The same for several paths; but the name of a file may have a colon in it."""
    whole = _absolute(text, base)
    if whole == text or os.path.exists(whole):
        return whole
    return os.pathsep.join(_absolute(part, base) for part in text.split(os.pathsep) if part)


def _absolute_url(text: str, base: Path) -> str:
    """The same for the URL of an SQLite database."""
    return _RELATIVE_URL.sub(lambda match: f"{match[1]}{base / match[2]}", text)
