# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job process: serves one request of a launcher, and owns its job until the pod is gone.

The launcher writes one JSON line to standard input and keeps it open; it reads messages, one JSON line each,
from standard output. Whatever happens to the launcher, this process goes on until its job is settled.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.answers import refused
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

REQUEST_LIMIT = 64 << 20
"""Bytes of a request: extra variables, an inventory and credentials."""


def main() -> int:
    """Serves the request on standard input."""
    # Both are the launcher's pipes; nothing else may ever write to standard output.
    commands, messages = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return asyncio.run(_serve(commands, messages))


async def _serve(commands: Any, messages: Any) -> int:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(REQUEST_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), commands)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, messages)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    line = await reader.readline()
    if not line:
        return 1  # the launcher ended before it asked for anything
    request = Request.from_message(json.loads(line))
    feed = LauncherFeed(writer)
    launcher = Launcher(reader, request.main_process)
    leaving = asyncio.create_task(_leave(launcher, feed))
    status = 0
    result: dict[str, Any] | None = None
    try:
        result = await _done(request, feed, launcher)
    except Failure as failure:
        result = _refused(request, failure)
    except Exception:  # the outer edge: the launcher has to hear of a fault of ours, too
        status = 1
        words = traceback.format_exc()
        sys.stderr.write(words)
        fault = Failure("ControllerLost", "The job process met an error of its own.", traceback=words)
        result = _refused(request, fault)
    if result is not None:
        feed.tell({"type": "result", "result": result})
    await feed.flush()
    leaving.cancel()
    await feed.close()
    return status


async def _done(request: Request, feed: LauncherFeed, launcher: Launcher) -> dict[str, Any] | None:
    try:
        do = verb(request.verb)
    except ModuleNotFoundError as exc:
        feed.tell({"type": "missing", "library": str(exc.name).partition(".")[0]})
        return None
    return await do(request, feed, launcher)


def _refused(request: Request, failure: Failure) -> dict[str, Any]:
    """The answer to a request that could not be done."""
    name = str(request.params.get("name") or request.params.get("playbook") or "")
    return refused(request.verb, failure, name=name, controller_node=request.controller_node)


async def _leave(launcher: Launcher, feed: LauncherFeed) -> None:
    """Nothing waits for a launcher that is gone: it may hold its end of the pipe open, and never read it."""
    await launcher.gone()
    feed.leave()
