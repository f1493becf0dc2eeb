# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for a verb behind an `async` task with `poll: 0`, and leaves its result where `async_status` looks.

Ansible's own way is to write the module with its parameters, secrets too, into a file for as long as it runs,
and into the system's log. Here the request goes over a pipe to a process that launches the job process as the
action plugin does; only the result is written, in the form of Ansible's `async_wrapper`.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs import job_process
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.answers import refused
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.entry import BACKGROUND
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import (
    LAST_WORDS,
    call,
    ended,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request, request_line

TAKEN = b"taken\n"
"""What the process says when it has the request and needs nobody any more."""


def start(request: Request, folder: Path) -> dict[str, Any]:
    """Has a request served in the background.

    Args:
        request: what to do.
        folder: for the result's file: Ansible's `async_dir`.

    Returns:
        What Ansible's `async_wrapper` gives: `ansible_job_id` for `async_status`, and so on.

    Raises:
        Failure: `InvalidConfiguration`, where the folder can't be written to; `ControllerLost`, where the
            process did not start.
    """
    job_id = f"j{secrets.randbelow(10**12)}.{os.getpid()}"
    file = folder / job_id
    begun = {"started": True, "finished": False, "ansible_job_id": job_id}
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(file, begun)
    except OSError as exc:
        raise Failure(
            "InvalidConfiguration",
            f"async_dir {folder} (ANSIBLE_ASYNC_DIR) can't be written to: {exc.strerror}.",
            hint="Give a folder that the controller's user can write to.",
        ) from exc
    try:
        _hand_over(request, file)
    except Failure:
        file.unlink()
        raise
    return {**begun, "results_file": str(file), "changed": True}


def _hand_over(request: Request, file: Path) -> None:
    with tempfile.TemporaryFile() as errors:
        process = job_process.start(request.folder, BACKGROUND, str(file), errors=errors)
        job_process.reap(process)
        if process.stdin is None or process.stdout is None:
            raise ValueError("a process without the pipes that it was given")
        with process.stdin, process.stdout:
            with suppress(BrokenPipeError):  # it says why on standard error
                process.stdin.write(request_line(request))
                process.stdin.flush()
            if process.stdout.readline() == TAKEN:
                return
        process.wait()
        errors.seek(0)
        words = errors.read()[-LAST_WORDS:].decode("utf-8", "replace")
        message = f"The process for the async task {ended(process.returncode)} before it took the request."
        raise Failure("ControllerLost", message, traceback=words)


def main(file: Path) -> int:
    """Serves the request on standard input; the result goes to the file."""
    request = Request.from_message(json.loads(sys.stdin.buffer.readline()))
    sys.stdout.buffer.write(TAKEN)
    sys.stdout.buffer.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    try:
        result = call(request, lambda message: None)
    except Exception:  # the outer edge: whoever asks for the result has to get one
        fault = Failure(
            "ControllerLost", "The launcher met an error of its own.", traceback=traceback.format_exc()
        )
        result = refused(request.verb, fault)
    _write(file, {**result, "ansible_job_id": file.name})
    return 0


def _write(file: Path, result: dict[str, Any]) -> None:
    """Writes the file whole or not at all, since somebody may read it at any time."""
    draft = file.with_name(f"{file.name}.tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as written:
        json.dump(result, written)
    draft.replace(file)
