# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's folder with a project and a store, and a cluster in whose pod a script is ansible-runner."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobRecord, JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import MainProcess, Request
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.little_cluster import (
    PODS,
    LittleCluster,
    little_cluster,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    scripted_worker,
)

Process = subprocess.Popen[bytes]

BEGIN = """
import json
def say(**fields): print(json.dumps(fields), flush=True)
def event(counter, name, stdout, **facts):
    say(uuid=f'u{counter}', counter=counter, event=name, stdout=stdout, event_data=facts)
sys.stdin.buffer.read()
say(status='running')
event(1, 'playbook_on_start', 'PLAY')
"""
PRINT_MUCH = "for counter in range(2, 1001): event(counter, 'verbose', f'{counter} ' + 'x' * 1000)\n"
"""A thousand events with the first, and a megabyte of output."""
EVENTS = 1000


class User:
    """Whoever launches a job.

    Attributes:
        folder: with all that is the user's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = {"data_dir": str(folder / "store")}
        (folder / "project").mkdir()
        (folder / "project" / "site.yml").write_text("[]")

    def request(self, connection: Connection, main: Process | None = None, **params: Any) -> Request:
        """A request for a job on a cluster."""
        group = {
            "host": connection.host,
            "api_key": connection.token,
            "ssl_ca_cert": connection.ca_text,
            "namespace": "jobs",
        }
        given = {"container_group": group, "project": "project", "playbook": "site.yml", "inventory": "a,"}
        return self.asking("container_group_job", main, **{**given, "cancel_grace": 1, **params})

    def asking(self, verb: str, main: Process | None = None, **params: Any) -> Request:
        """A request for a verb on the user's own store."""
        asked = validated(verb, {**params, **self._store})
        known = None if main is None else MainProcess.of(main.pid)
        return Request(verb, asked, str(self.folder), main_process=known)

    @property
    def store_options(self) -> StoreOptions:
        """Where the user's store lies."""
        return store_options(self._store, {}, self.folder)

    def open_store(self) -> JobStore:
        """The user's store."""
        return JobStore.open(self.store_options)

    def job(self) -> JobRecord | None:
        """The only job, if it is there yet."""
        store = self.open_store()
        try:
            return next(iter(store.list()), None)
        finally:
            store.close()


@asynccontextmanager
async def cluster(folder: Path, authority: Authority, script: str) -> AsyncIterator[LittleCluster]:
    """A cluster that makes one pod, of any name."""
    scripted_worker(folder, BEGIN + script)
    async with little_cluster(folder, authority, "any") as made:

        async def create(request: web.Request) -> web.StreamResponse:
            pod = f"{PODS}/{(await request.json())['metadata']['name']}"
            for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/attach")):
                made.server.replies[(method, pod + path)] = made.server.replies[(method, f"{PODS}/any{path}")]
            return await made._create(request)

        made.server.on("POST", PODS, create)
        yield made


def request_line(request: Request) -> bytes:
    """A request as the job process reads it."""
    return json.dumps(request.as_message()).encode("ascii") + b"\n"
