# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad network between controller and API server: Shopify's toxiproxy, built from its Go module."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.unit.roles.scripts import script

VERSION = "v2.12.0"
START_LIMIT = 30.0


def built(cache: Path) -> Path:
    """The path of its server; builds it where the cache has none."""
    program = cache / f"toxiproxy-{VERSION}" / "server"
    if not program.exists():
        go = script("local_cluster", "programs").find_go()
        # Aside and renamed, so that a build that is cut short leaves nothing that looks like a program.
        fresh = cache / "toxiproxy.new"
        fresh.mkdir(parents=True, exist_ok=True)
        environ = {
            **os.environ,
            "GOBIN": str(fresh),
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
        }
        command = [go, "install", f"github.com/Shopify/toxiproxy/v2/cmd/server@{VERSION}"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        program.parent.mkdir(exist_ok=True)
        (fresh / "server").rename(program)
    return program


@dataclass(frozen=True)
class Link:
    """One way to the API server, which the test makes worse and better.

    Attributes:
        name: of it.
        port: of this machine, where it begins.
    """

    name: str
    port: int
    toxiproxy: Toxiproxy

    def worsen(self, kind: str, stream: str = "downstream", **attributes: int) -> None:
        """Adds a fault to all connections, open ones too; `downstream` is towards the controller."""
        toxic = {"type": kind, "stream": stream, "attributes": attributes}
        self.toxiproxy.ask("POST", f"/proxies/{self.name}/toxics", toxic)

    def mend(self, kind: str, stream: str = "downstream") -> None:
        """Takes a fault away; connections that it has stalled are closed with it."""
        self.toxiproxy.ask("DELETE", f"/proxies/{self.name}/toxics/{kind}_{stream}")

    def cut(self) -> None:
        """Breaks all its connections; new ones are taken at once."""
        for enabled in (False, True):
            self.toxiproxy.ask("POST", f"/proxies/{self.name}", {"enabled": enabled})


class Toxiproxy:
    """The server, told over its HTTP interface what to do."""

    def __init__(self, port: int, upstream: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._upstream = upstream

    def link(self, name: str) -> Link:
        """A new way to the API server."""
        made = self.ask(
            "POST", "/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": self._upstream}
        )
        return Link(name, int(made["listen"].rpartition(":")[2]), self)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Its answer to one request."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, content, method=method)  # noqa: S310  # ours
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None


@contextmanager
def running_toxiproxy(cache: Path, folder: Path, port: int, upstream: str) -> Iterator[Toxiproxy]:
    """Runs it on a free port of this machine.

    Args:
        cache: where the built program is kept.
        folder: for its log.
        port: for its HTTP interface.
        upstream: host and port of the API server.
    """
    with (folder / "toxiproxy.log").open("wb") as log:
        command = [str(built(cache)), "-host", "127.0.0.1", "-port", str(port)]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                toxiproxy = Toxiproxy(port, upstream)
                deadline = time.monotonic() + START_LIMIT
                while True:
                    assert process.poll() is None, "toxiproxy has ended, see toxiproxy.log"
                    try:
                        toxiproxy.ask("GET", "/version")
                        break
                    except OSError:
                        assert time.monotonic() < deadline, "toxiproxy does not answer"
                    time.sleep(0.05)
                yield toxiproxy
            finally:
                process.terminate()
