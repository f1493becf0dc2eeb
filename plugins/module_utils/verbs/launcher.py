# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a job process, asks it for one thing, and passes on what it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.answers import refused
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

ENTRY = Path(__file__).with_name("entry.py")
ENTRY_VARIABLE = "JOBPODS_JOB_PROCESS"
FOLDER_VARIABLE = "JOBPODS_FOLDER"
"""Environment variables that tell a module where the job process' script lies, which it is packed without,
and where relative paths start."""
LIBRARIES = {
    "aiohttp": "aiohttp >= 3.9",
    "alembic": "alembic >= 1.13",
    "cryptography": "cryptography >= 41",
    "kubernetes": "kubernetes >= 28",
    "sqlalchemy": "SQLAlchemy >= 2.0",
    "yaml": "PyYAML >= 6",
}
"""What to install for each library that the job process imports; requirements.txt asks for the same."""

Show = Callable[[dict[str, Any]], None]


class Module(Protocol):
    """The part of `AnsibleModule` that is used."""

    params: dict[str, Any]
    check_mode: bool
    _diff: bool
    _verbosity: int

    def exit_json(self, **result: Any) -> NoReturn:
        """Prints the result of a success, and ends the program."""

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """Prints the result of a failure, and ends the program."""


def call(request: Request, show: Show, entry: Path = ENTRY) -> dict[str, Any]:
    """Has a job process serve a request.

    The process is detached: when the caller ends early, by whatever, the process sees the end of its pipe and
    cancels the job of an attached launch.

    Args:
        request: what to do; it goes over a pipe, since it may hold secrets.
        show: told each message of the job process but the last, its result.
        entry: the job process' script.

    Returns:
        The result of the verb.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - our own script, in the Python that runs this
            (sys.executable, str(entry)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=request.folder,
            start_new_session=True,
        )
        try:
            result = _talk(process, request, show)
            if result is None:
                process.wait()
                errors.seek(0)
                words = errors.read()[-8192:].decode("utf-8", "replace")
                message = f"The job process {_ended(process.returncode)} before it gave a result."
                result = refused(request.verb, Failure("ControllerLost", message, traceback=words))
            return result
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):  # of what an ended process has not read
                        pipe.close()
            # It may go on for long, to delete its pod; whenever it ends, no zombie is left.
            threading.Thread(target=process.wait, daemon=True).start()


def _talk(process: subprocess.Popen[bytes], request: Request, show: Show) -> dict[str, Any] | None:
    if process.stdin is None or process.stdout is None:
        return None
    try:
        process.stdin.write(json.dumps(request.as_message(), default=_plain).encode("ascii") + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it says why in its messages, or on standard error
    for line in process.stdout:
        message = _message(line)
        if message["type"] == "result":
            result: dict[str, Any] = message["result"]
            return result
        if message["type"] == "missing":
            return refused(request.verb, _missing(message["library"]))
        show(message)
    return None


def _message(line: bytes) -> dict[str, Any]:
    """What the job process tells; a line that a library prints at its start is shown, and stops nothing."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict) and isinstance(message.get("type"), str):
        return message
    words = plain_text(line.decode("utf-8", "replace")).strip()
    return {"type": "warning", "text": f"the job process printed what is no message: {words[:200]!r}"}


def _ended(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"


def _plain(value: object) -> object:
    """What YAML and Ansible know and JSON does not: dates, sets and vaulted text, which is decrypted."""
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else str(value)


def _missing(library: str) -> Failure:
    needed = LIBRARIES.get(library, library)
    return Failure(
        "InvalidConfiguration",
        f"The Python library {needed} is missing on the controller, in {sys.executable}.",
        hint=f"Install it with: {sys.executable} -m pip install '{needed}'",
    )


def run_module(verb: str, module: Module) -> None:
    """`main` of each of the modules: has a job process do it, and ends the module with its result.

    The action plugins run modules this way only with `async`. What those can't know, they get by
    environment variables, beside the task's own.
    """
    entry, folder = os.environ.get(ENTRY_VARIABLE), os.environ.get(FOLDER_VARIABLE)
    if not entry or not folder:
        module.fail_json(
            msg="This module runs on the controller through its action plugin, which was not used."
        )
    request = Request(
        verb=verb,
        params=dict(module.params),
        folder=folder,
        check=module.check_mode,
        diff=module._diff,
        verbosity=module._verbosity,
    )
    result = call(request, lambda message: None, Path(entry))
    if result["failed"]:
        module.fail_json(**result)
    module.exit_json(**result)
