# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a job process, asks it for one thing, and passes on what it tells."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import one_line
from ansible_collections.jobpods.controller.plugins.module_utils.job.result import advice, of_job
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.answers import LAUNCHING, refused
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.job_process import ENTRY, reap, start
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request, request_line

LIBRARIES = {
    "aiohttp": "aiohttp >= 3.9",
    "alembic": "alembic >= 1.13",
    "cryptography": "cryptography >= 41",
    "kubernetes": "kubernetes >= 28.1",
    "sqlalchemy": "SQLAlchemy >= 2.0",
    "yaml": "PyYAML >= 6",
}
"""What to install for each library that the job process imports; requirements.txt asks for the same."""

RESUMPTIONS = 3
"""How often a job is gone on with whose job process was killed while its launcher waits."""
READ_INTERVAL = 500
"""Milliseconds that a read waits at most, and with it a signal that came at a bad moment."""
READ_SIZE = 1 << 16
LAST_WORDS = 8192
"""Bytes of a process' standard error that are kept to explain its end."""

Show = Callable[[dict[str, Any]], None]


class Module(Protocol):
    """The part of `AnsibleModule` that is used."""

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
    launched = _Launched(request, show)
    result, death = _ask(request, launched.listen, entry)
    for _time in range(RESUMPTIONS):
        if result is not None or launched.job_id is None:
            break
        show(launched.goes_on(death))
        result, death = _ask(launched.resumption(), launched.listen, entry)
    if result is not None:
        return result
    if launched.job_id is None:
        return refused(request.verb, death)
    facts = {**refused(request.verb, death)["job"], "id": launched.job_id, "name": launched.name}
    return _left_alone(request, death, facts, entry)


class _Launched:
    """What a launcher has heard of the job that it has launched."""

    def __init__(self, request: Request, show: Show) -> None:
        self.job_id: int | None = None
        self.name = ""
        self._request = request
        self._show = show
        self._shown: dict[int, int] = {}

    def listen(self, message: dict[str, Any]) -> None:
        """Hears a message of a job process, and shows it."""
        if message["type"] == "job" and not message["child"] and self._request.verb in LAUNCHING:
            if self.job_id == message["id"]:
                return  # it is taken over, and known already
            self.job_id, self.name = message["id"], message["name"]
        if message["type"] == "output":
            self._shown[message["job"]] = message["last"]
        self._show(message)

    def goes_on(self, death: Failure) -> dict[str, Any]:
        """The message that says what has happened, and what happens now."""
        text = f"{death.message} Another one takes job {self.job_id} over."
        return {"type": "warning", "job": self.job_id, "text": text}

    def resumption(self) -> Request:
        """The request that goes on with the job."""
        return self._request.asking("adopt_job", job_id=self.job_id, shown=self._shown)


def _ask(request: Request, listen: Show, entry: Path) -> tuple[dict[str, Any] | None, Failure]:
    """The result of one job process; None where it ended without one, and how it ended."""
    with tempfile.TemporaryFile() as errors:
        process = start(request.folder, errors=errors, entry=entry)
        try:
            result = _talk(process, request, listen)
            if result is not None:
                return result, Failure("ControllerLost", "")
            process.wait()
            errors.seek(0)
            words = errors.read()[-LAST_WORDS:].decode("utf-8", "replace")
            message = f"The job process {ended(process.returncode)} before it gave a result."
            return None, Failure("ControllerLost", message, traceback=words)
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):  # of what an ended process has not read
                        pipe.close()
            reap(process)  # it may go on for long, to delete its pod


def _talk(process: subprocess.Popen[bytes], request: Request, show: Show) -> dict[str, Any] | None:
    if process.stdin is None or process.stdout is None:
        return None
    try:
        process.stdin.write(request_line(request))
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it says why in its messages, or on standard error
    for line in _lines(process.stdout):
        message = _message(line)
        if message["type"] == "result":
            result: dict[str, Any] = message["result"]
            return result
        if message["type"] == "missing":
            return refused(request.verb, _missing(message["library"]))
        show(message)
    return None


def _lines(pipe: IO[bytes]) -> Iterator[bytes]:
    """The lines of a pipe, by reads that never wait for long.

    Python has a signal handled between two steps of its own. One that comes just before a read begins would
    not be until there is something to read: Ctrl-C would be lost as long as the job says nothing.
    """
    ready = select.poll()
    ready.register(pipe, select.POLLIN)
    begun: list[bytes] = []  # of a line whose end is not here yet
    while True:
        if not ready.poll(READ_INTERVAL):
            continue
        read = os.read(pipe.fileno(), READ_SIZE)
        if not read:
            break
        *lines, rest = read.split(b"\n")
        for line in lines:
            yield b"".join((*begun, line))
            begun = []
        if rest:
            begun.append(rest)
    if begun:
        yield b"".join(begun)


def _left_alone(request: Request, failure: Failure, facts: dict[str, Any], entry: Path) -> dict[str, Any]:
    """The result of a launch whose job process is gone, where its pod may go on; the store knows the pod.

    Args:
        request: for the launch.
        failure: how the process ended.
        facts: what is known of the job without the store.
        entry: the job process' script.
    """
    asked = request.asking("job_info", job_id=facts["id"], status=None, limit=1)
    known = call(asked, lambda message: None, entry)
    if not known["failed"]:
        facts = known["jobs"][0]
    pods = [
        f"pod {each['pod_name']} in namespace {each['namespace']}"
        for each in _with_all_within(facts)
        if each["pod_name"] and each["finished"] is None
    ]
    if pods:
        goes_on = f"The {pods[0]} goes on" if len(pods) == 1 else f"These go on: {', '.join(pods)}"
        failure.message += (
            f" {goes_on}, until the controller_lost_timeout is over, unless deleted or taken over by another"
            " process."
        )
    failure.hint = "Look at the job with job_info before you launch it again."
    failure.retryable = False
    facts.update(
        failure=failure.as_result(), job_explanation=failure.message, result_traceback=failure.traceback
    )
    return {
        "changed": True,
        "failed": True,
        "msg": f"Job {facts['id']} ({facts['name']}): "
        + advice(failure.reason, failure.message, failure.hint),
        **of_job(facts),
        "stdout": known.get("stdout", ""),
        "stdout_truncated": known.get("stdout_truncated", False),
    }


def _with_all_within(facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A job, its slices or the jobs of its nodes, and those within them."""
    yield facts
    for each in facts.get("slices", ()):
        yield from _with_all_within(each)


def _message(line: bytes) -> dict[str, Any]:
    """What the job process tells; a line that a library prints at its start is shown, and stops nothing."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict) and isinstance(message.get("type"), str):
        return message
    words = one_line(line.decode("utf-8", "replace"), 200)
    text = f"the job process printed what is no message: {words!r}"
    return {"type": "warning", "job": None, "text": text}


def ended(status: int) -> str:
    """How a process ended, by its return code, as the middle of a sentence."""
    return f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"


def _missing(library: str) -> Failure:
    needed = LIBRARIES.get(library, library)
    return Failure(
        "InvalidConfiguration",
        f"The Python library {needed} is missing on the controller, in {sys.executable}.",
        hint=f"Install it with: {sys.executable} -m pip install '{needed}'",
    )


def run_module(verb: str, module: Module) -> None:
    """`main` of each of the modules, which refuse: their action plugins do all of it, and never run them.

    A module would be a file with its parameters in it, secrets too, for as long as the job runs.
    """
    module.fail_json(msg=f"{verb} runs on the controller through its action plugin, which was not used.")
