# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process owns a job, written so that another one on the same machine can see that it is gone.

Heartbeats tell the same after a while, and from every machine; this tells it at once.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")


def this_machine() -> str:
    """Names the processes that this one can look at: host, boot and namespace of process ids."""
    boot = namespace = "-"
    with suppress(OSError):
        boot = BOOT.read_text(encoding="ascii").strip()
    with suppress(OSError):
        namespace = os.readlink(PID_NAMESPACE)
    return f"{socket.gethostname()} {boot} {namespace} "


def this_process() -> str:
    """This process as the owner of jobs: its machine, its id, and when it started."""
    pid = os.getpid()
    return f"{this_machine()}{pid} {start_time(pid)}"


def is_gone(owner: str) -> bool:
    """Whether an owner is known to have ended; never of one on another machine, or of an unknown form."""
    machine = this_machine()
    pid, _blank, started = owner.removeprefix(machine).partition(" ")
    if not owner.startswith(machine) or not pid.isdigit() or not started.isdigit():
        return False
    found = start_time(int(pid))
    return not _is_hidden(int(pid)) if found is None else found != int(started)


def _is_hidden(pid: int) -> bool:
    """Whether there is a process of another user, of which the system may show nothing (proc(5), hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        pass
    return False


def start_time(pid: int) -> int | None:
    """A process' start in clock ticks since boot (proc(5), stat, field 22); None if it can't be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
