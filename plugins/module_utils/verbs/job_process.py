# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts job processes: detached, from the installed collection, with two pipes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

ENTRY = Path(__file__).with_name("entry.py")


def start(
    folder: str,
    *arguments: str,
    errors: int | IO[bytes],
    environ: Mapping[str, str] | None = None,
    entry: Path = ENTRY,
) -> subprocess.Popen[bytes]:
    """Starts a job process, which reads its request from standard input.

    Args:
        folder: its working directory.
        arguments: of the script.
        errors: where its standard error goes.
        environ: its environment; None is this process' own.
        entry: the script.

    Raises:
        OSError: it can't be started.
    """
    return subprocess.Popen(  # noqa: S603 - our own script, in the Python that runs this
        (sys.executable, str(entry), *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=folder,
        env=environ,
        start_new_session=True,
    )


def reap(process: subprocess.Popen[bytes]) -> None:
    """Leaves no zombie of a process, however long it goes on, where this one outlives it."""
    threading.Thread(target=process.wait, daemon=True).start()
