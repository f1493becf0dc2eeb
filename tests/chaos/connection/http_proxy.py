# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTP proxy, Debian's tinyproxy: unpacked, not installed, so that no service starts."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.jobpods.controller.tests.integration.registry import unpacked

USER, PASSWORD = "walker", "pr0xy-s3cret"  # noqa: S105 - of a proxy that only the tests have
IDLE = 30
"""Seconds after which it cuts a connection on which nothing comes."""
START_LIMIT = 30.0


@contextmanager
def running_proxy(cache: Path, folder: Path, port: int) -> Iterator[Path]:
    """Runs it on a port of this machine; it wants the login of `USER` with `PASSWORD`. Yields its log."""
    config, log = folder / "tinyproxy.conf", folder / "tinyproxy.log"
    config.write_text(
        f'Port {port}\nListen 127.0.0.1\nTimeout {IDLE}\nMaxClients 100\nLogFile "{log}"\nLogLevel Info\n'
        f"BasicAuth {USER} {PASSWORD}\n",
        encoding="ascii",
    )
    program = unpacked("tinyproxy-bin", cache) / "usr/bin/tinyproxy"
    with (folder / "tinyproxy.out").open("wb") as output:
        command = [str(program), "-d", "-c", str(config)]
        with subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                _await(port, process)
                yield log
            finally:
                process.terminate()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        assert process.poll() is None, "tinyproxy has ended, see tinyproxy.log"
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "tinyproxy does not answer"
        time.sleep(0.05)


def answer_without_login(port: int, target: str) -> str:
    """What it answers whoever wants a connection through it, but has no login."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return connection.recv(1000).decode()
